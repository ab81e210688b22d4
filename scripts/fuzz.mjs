// npm run fuzz -- [--seconds 60] [--seed N] [--inputs N]: mutated samples of every kind of input, given to the readers in process.
// An input that makes one throw anything but its own error, takes more than ten seconds or breaks a property is printed with its
// seed, which --seed N --inputs 1 runs again. Status 1 if there was one.
import { clearInterval, setInterval } from "node:timers";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";

const HANGS = 10_000;

const { values } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: String(Date.now() % 2 ** 30) },
    inputs: { type: "string", default: String(2 ** 30) },
  },
});
const [seconds, seed, inputs] = [values.seconds, values.seed, values.inputs].map(Number);
if (![seconds, seed, inputs].every((value) => Number.isSafeInteger(value) && value >= 0)) {
  console.error("fuzz: --seconds, --seed and --inputs take whole numbers");
  process.exit(2);
}

const progress = new Int32Array(new SharedArrayBuffer(4));
progress[0] = -1;
const workerData = { seed, inputs, until: Date.now() + seconds * 1000, progress };
const worker = new Worker(new URL("./fuzz/worker.mjs", import.meta.url), { workerData });
let failures = 0;

worker.on("message", ({ failure, counts }) => {
  if (failure !== undefined) {
    failures++;
    console.log(
      `FAILED ${failure.target}, seed ${failure.seed}: ${failure.failure}\n  ${JSON.stringify(failure.input)}`,
    );
    return;
  }
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  const each = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  console.log(`fuzz: ${total} inputs from seed ${seed} on, ${failures} failed: ${each.join(", ")}`);
  process.exitCode = failures > 0 ? 1 : 0;
  clearInterval(watch);
});
worker.on("error", (error) => {
  console.log(`FAILED seed ${progress[0]}: the process of the readers ended: ${error.message}`);
  process.exit(1);
});

let [last, since] = [-1, Date.now()];
const watch = setInterval(() => {
  const now = Atomics.load(progress, 0);
  if (now !== last) [last, since] = [now, Date.now()];
  // Before the first input there is loading, which takes what it takes.
  else if (now >= 0 && Date.now() - since > HANGS) {
    console.log(`FAILED seed ${now}: more than ${HANGS / 1000} s`);
    process.exit(1);
  }
}, 500);
