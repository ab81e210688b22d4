import { buildMachine } from "@kpkeys/kernel";
import { jobsOf } from "../options.js";
import { loadPlugins } from "../plugins.js";
import type { ArchId } from "../plugins.js";
import type { Figure } from "./figure.js";
import { FIGURES } from "./figures.js";

/** Before the first run that counts: at least so many runs, and so long in milliseconds, for the compiler has threads of its own. */
const WARM_UPS = 3;
const WARM_UP_TIME = 1000;
/** Runs whose median is one measurement, as in the C reference; fewer if they take longer than so many milliseconds. */
const RUNS = 9;
const RUNS_TIME = 200;

/** What a figure's process tells. */
export interface ChildMessage {
  /** How long one operation took, in the median run; absent when the process says that it is ready. */
  readonly nsPerOperation?: number;
}

const [name, arch, trace, counted] = process.argv.slice(2) as [string, ArchId, string, string | undefined];
const figure = FIGURES.find((each) => each.name === name)!;

async function boot(): Promise<ReturnType<typeof buildMachine>> {
  const [job] = jobsOf(flagsOf(figure));
  return buildMachine(job!.spec, await loadPlugins(arch, job!.spec.features));
}

function flagsOf({ policy, gib, pkeys }: Figure): Parameters<typeof jobsOf>[0] {
  return {
    arch: [arch],
    series: ["next"],
    feature: ["pgtables"],
    policy: [policy],
    memory: gib * 2 ** 30,
    cpus: 1,
    pkeys,
  };
}

const { run, operations } = await figure.prepare({ arch, boot, trace });
if (counted === undefined) await serve();
else await repeat(Number(counted), Number(counted), Infinity);

/** Gets ready, says so, and measures whenever it is asked. */
async function serve(): Promise<void> {
  if (figure.fresh) await loadPlugins(arch, ["pgtables"]);
  else await repeat(WARM_UPS, Infinity, WARM_UP_TIME);
  const send = (message: ChildMessage): unknown => process.send?.(message);
  process.on("message", () => {
    void measure().then((nsPerOperation) => send({ nsPerOperation }));
  });
  send({});
}

/** Runs at least `least` times, at most `most` times, and no longer than until `time` is over. @returns milliseconds of each */
async function repeat(least: number, most: number, time: number): Promise<number[]> {
  const times: number[] = [];
  const begin = performance.now();
  while (times.length < least || (times.length < most && performance.now() - begin < time)) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return times;
}

async function measure(): Promise<number> {
  const times = (await repeat(1, figure.fresh ? 1 : RUNS, RUNS_TIME)).sort((a, b) => a - b);
  return (times[times.length >> 1]! * 1e6) / operations;
}
