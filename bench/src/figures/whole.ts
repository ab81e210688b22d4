import { availableParallelism } from "node:os";
import { embeddedTrace, replayFile } from "@kpkeys/workloads/node";
import { figure } from "../figure.js";
import type { Figure } from "../figure.js";
import { boot } from "../machine.js";
import { warm } from "../timing.js";

/** Minimum number of events of one run: a short recording is replayed several times. */
const EVENTS = 150_000;

const replay: Figure["prepare"] = async (arch) => {
  const machine = boot(arch, { mib: 4096 });
  const options = { ahead: availableParallelism() > 1 };
  const { events } = (await replayFile(machine, embeddedTrace.trace, options)).trace;
  const times = Math.ceil(EVENTS / events);
  return warm(async () => {
    for (let time = 0; time < times; time++) await replayFile(machine, embeddedTrace.trace, options);
  }, events * times);
};

/** The first boot of a process, before V8 has compiled any of it, as in a command. */
function bootFigure(name: string, operation: string, mib: number): Figure {
  const prepare: Figure["prepare"] = (arch) =>
    Promise.resolve(() => {
      const start = performance.now();
      boot(arch, { mib });
      return { nsPerOp: (performance.now() - start) * 1e6 };
    });
  return figure(name, operation, prepare, { fresh: true });
}

/** The work that the user of a command waits for. */
export const WHOLE_FIGURES: readonly Figure[] = [
  figure("replay-events", "an event of the bundled recording, read and replayed", replay),
  bootFigure("boot-1g", "boot of 1 GiB, mapped by pages, hardened, the first of its process", 1024),
  bootFigure("boot-16g", "the same with 16 GiB", 16_384),
  bootFigure("boot-1t", "the same with 1 TiB", 1_048_576),
];
