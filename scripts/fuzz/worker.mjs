// Runs inputs one after the other. The shared words name the current one, so that the other thread can report a hang.
import { parentPort, workerData } from "node:worker_threads";
import { mutate, shrink } from "./mutate.mjs";
import { createRandom } from "./random.mjs";
import { TARGETS } from "./targets.mjs";

const { seed: first, inputs, until, progress } = workerData;

/** The failure of an input; undefined if there was none. */
async function failureOf(target, input, seed) {
  try {
    await target.run(input, createRandom(seed));
    return undefined;
  } catch (error) {
    const isExpected = error?.name === "KpkeysError" || String(error?.code).startsWith("commander.");
    return isExpected ? undefined : String(error?.message ?? error).slice(0, 200);
  }
}

const counts = Object.fromEntries(TARGETS.map(({ name }) => [name, 0]));
let seed = first;
for (; seed < first + inputs && Date.now() < until; seed++) {
  const random = createRandom(seed);
  const target = random.oneOf(TARGETS);
  Atomics.store(progress, 0, seed);
  const input = mutate(target.samples, random);
  const failure = await failureOf(target, input, seed);
  counts[target.name]++;
  if (failure === undefined) continue;
  const small = await shrink(input, async (less) => (await failureOf(target, less, seed)) === failure);
  parentPort.postMessage({ failure: { target: target.name, seed, failure, input: small.toString().slice(0, 4000) } });
}
parentPort.postMessage({ counts });
