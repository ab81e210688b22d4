import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { figure } from "./figure.js";
import type { Figure } from "./figure.js";

/** Events that one run replays at least, a short recording several times. */
const EVENTS = 150_000;
/** How often the vectors are judged in one run. */
const REPETITIONS = 20;

const replay: Figure["prepare"] = async ({ boot, trace }) => {
  const { replayTrace } = await import("@kpkeys/workloads");
  const machine = await boot();
  const options = { ahead: availableParallelism() > 1 };
  const { events } = (await replayTrace(machine, trace, options)).trace;
  const times = Math.ceil(EVENTS / events);
  return {
    async run() {
      for (let time = 0; time < times; time++) await replayTrace(machine, trace, options);
    },
    operations: events * times,
  };
};

const boot: Figure["prepare"] = (setup) => Promise.resolve({ run: () => setup.boot(), operations: 1 });

const conform: Figure["prepare"] = async ({ arch }) => {
  const { createJudge } = await import("../conform/judge.js");
  const { readVectors } = await import("../conform/vector-file.js");
  const path = fileURLToPath(new URL(`../../bench/vectors-${arch}.jsonl.gz`, import.meta.url));
  const judge = await createJudge([arch]);
  const judgeAll = (): Promise<number> =>
    readVectors(
      path,
      (vector) => judge.judge(vector),
      () => undefined,
    );
  const vectors = await judgeAll();
  return {
    async run() {
      for (let time = 0; time < REPETITIONS; time++) await judgeAll();
    },
    operations: vectors * REPETITIONS,
  };
};

const SMALL = { gib: 4 };

/** What a user waits for. */
export const WHOLE_FIGURES: readonly Figure[] = [
  figure("replay-events", "an event of the recording, batched, reading included", replay, SMALL),
  figure("replay-events-naive", "an event of the recording, every setter switching", replay, {
    ...SMALL,
    policy: "naive",
  }),
  figure("boot-1g", "boot of 1 GiB, all of it mapped by pages, hardened", boot, { gib: 1, fresh: true }),
  figure("boot-16g", "boot of 16 GiB, likewise", boot, { fresh: true }),
  figure("boot-1t", "boot of 1 TiB, likewise", boot, { gib: 1024, fresh: true }),
  figure("conform-vectors", "an architectural vector, judged", conform, SMALL),
];
