import { Access, MapFlag, Prot } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, it } from "vitest";
import { runs } from "../../../../vitest.runs.js";
import { boot, ENTRIES, UPPER } from "../support/machine.js";
import { MADV, ProcessModel } from "../support/model.js";
import { ANONYMOUS, BASE, FILE, SHARED } from "../support/process.js";

/** Pages at the boundaries of tables of each level. */
const PAGES = [BASE, BASE + ENTRIES, BASE + UPPER].flatMap((border) =>
  Array.from({ length: 10 }, (_, i) => border - 5 + i),
);

const page = fc.constantFrom(...PAGES);
const few = fc.integer({ min: 1, max: 6 });
const pages = fc.oneof(
  { weight: 8, arbitrary: few },
  { weight: 1, arbitrary: fc.constantFrom(ENTRIES - 5, ENTRIES, ENTRIES + 3, 2 * ENTRIES) },
);
const prot = fc.constantFrom(0, Prot.READ, 3, 3, 3, 5, 7, Prot.EXEC);
const flags = fc.constantFrom(ANONYMOUS, ANONYMOUS, ANONYMOUS, FILE, SHARED, MapFlag.SHARED);
const ADVICE = Object.values(MADV);
const access = fc.constantFrom(Access.READ, Access.WRITE, Access.WRITE, Access.RMW, Access.FETCH);

/** A step as plain data, for readable counterexamples: a method of the model and its arguments. */
const step = fc.oneof(
  { weight: 5, arbitrary: fc.tuple(fc.constant("mmap" as const), page, pages, prot, flags) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("populate" as const), page, few, prot, flags) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("munmap" as const), page, pages) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("mprotect" as const), page, pages, prot) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("madvise" as const), page, pages, fc.constantFrom(...ADVICE)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("mremap" as const), page, pages, page, pages, fc.boolean()) },
  { weight: 12, arbitrary: fc.tuple(fc.constant("touch" as const), page, access) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("fork" as const)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("exit" as const)) },
  { weight: 1, arbitrary: fc.tuple(fc.constant("run" as const)) },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;
type Space = ProcessModel["spaces"][number];

function apply(model: ProcessModel, space: Space, step: Step): void {
  switch (step[0]) {
    case "mmap":
      model.mmap(space, step[1], step[2], step[3], step[4]);
      return;
    case "populate":
      model.mmap(space, step[1], step[2], step[3], step[4] | MapFlag.POPULATE);
      return;
    case "munmap":
      model.munmap(space, step[1], step[2]);
      return;
    case "mprotect":
      model.mprotect(space, step[1], step[2], step[3]);
      return;
    case "madvise":
      // The pages of a whole table are a large part of the small machine's memory.
      model.madvise(space, step[1], step[3] === MADV.POPULATE_WRITE ? Math.min(step[2], 6) : step[2], step[3]);
      return;
    case "mremap":
      mremap(model, space, step[1], step[2], step[3], step[4], step[5]);
      return;
    case "touch":
      model.touch(space, step[1], step[2]);
      return;
    case "fork":
      if (model.spaces.length < 3) model.fork(space);
      return;
    default:
      model[step[0]](space);
  }
}

/** Valid arguments of mremap: disjoint ranges; DONTUNMAP with equal lengths. */
function mremap(
  model: ProcessModel,
  space: Space,
  from: number,
  length: number,
  to: number,
  newLength: number,
  keep: boolean,
): void {
  const distance = Math.abs(to - from);
  if (distance !== 0 && distance < Math.max(length, newLength)) return;
  if (keep && distance !== 0) model.mremap(space, from, length, to, length, true);
  else model.mremap(space, from, length, to, newLength, false);
}

describe("address spaces", () => {
  it("equal a map of pages, lose or leak no contents and no page, and leave no stale translation", () => {
    const steps = fc.array(fc.tuple(fc.nat(2), fc.nat(1), step), { maxLength: 40, size: "max" });
    fc.assert(
      fc.property(steps, (all) => {
        const machine = boot({ cpus: 2 });
        const model = new ProcessModel(machine);
        model.check(PAGES);
        for (const [number, cpu, act] of all) {
          machine.cpus.current = machine.cpus.all[cpu]!;
          apply(model, model.spaces[number % model.spaces.length]!, act);
          model.check(PAGES);
        }
      }),
      { numRuns: runs(30) },
    );
  });
});
