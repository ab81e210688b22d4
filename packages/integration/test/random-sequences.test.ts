import type { PluginOptions } from "@kpkeys/core/contracts";
import type { KernelPolicies } from "@kpkeys/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { ARCHES } from "./machines.js";
import { sequence, shortOfMemory } from "./sequences/operations.js";
import type { Op } from "./sequences/operations.js";
import { Run } from "./sequences/run.js";

/** Policies under which the property holds. With `reset` and batching it does not: that is the crash v7 was made for. */
const policies = fc
  .record({
    cpus: fc.integer({ min: 1, max: 4 }),
    batching: fc.boolean(),
    entry: fc.constantFrom("inherit" as const, "reset" as const, "reset-lazy-paused" as const),
    batchingInInterrupt: fc.boolean(),
    linearMap: fc.constantFrom("pte" as const, "block" as const),
  })
  .map(({ cpus, batching, entry, batchingInInterrupt, linearMap }) => ({
    cpus,
    pgtables: {
      batching,
      batchingInInterrupt: batchingInInterrupt && entry !== "reset",
      tagging: linearMap === "block" ? "block-allocator" : "allocator",
    },
    kernel: { exceptionEntry: batching && entry === "reset" ? ("reset-lazy-paused" as const) : entry, linearMap },
  }));

/** The property, for machines of an architecture. @returns how many operations ended for want of memory */
function holds(
  arch: string,
  cpus: number,
  pgtables: PluginOptions,
  kernel: KernelPolicies,
  ops: readonly Op[],
): number {
  const run = new Run(arch, cpus, pgtables, kernel);
  for (const op of ops) run.top(op);
  run.checkConserved();
  run.checkTables();
  run.checkNothingLeft();
  return run.outOfMemory;
}

describe.each(ARCHES)("any sequence of operations on %s", (arch) => {
  it("leaves no table page writable, no page lost and no CPU privileged", () => {
    fc.assert(
      fc.property(policies, sequence, ({ cpus, pgtables, kernel }, ops) => {
        holds(arch, cpus, pgtables, kernel, ops);
      }),
      { numRuns: runs(40) },
    );
  });

  it("nor where operations run out of memory", () => {
    let outOfMemory = 0;
    fc.assert(
      fc.property(policies, shortOfMemory, ({ cpus, pgtables, kernel }, ops) => {
        outOfMemory += holds(arch, cpus, pgtables, kernel, ops);
      }),
      { numRuns: 25 },
    );
    expect(outOfMemory).toBeGreaterThan(0);
  });

  it.each([
    ["entry resets the register under batching", { batching: true }, { exceptionEntry: "reset" }],
    [
      "the guard trusts a section in interrupt after a reset",
      { batchingInInterrupt: true },
      { exceptionEntry: "reset" },
    ],
    ["a switch leaves the register with the CPU", { batching: false }, { switchPkeyRegister: false }],
    ["a setter has no guard", { unguarded: ["ptep_get_and_clear"] }, {}],
    ["static tables are keyed in the linear map alone", { staticAliases: "linear" }, {}],
    ["a CPU forgets its register on resume", {}, { resumeInitialisesRegister: false }],
  ] satisfies [string, PluginOptions, KernelPolicies][])("does not keep to that where %s", (_, pgtables, kernel) => {
    expect(attempt(arch, pgtables, kernel, true).failed).toBe(true);
  });
});

/** Looks for a sequence that breaks the property; always the same ones are tried. */
function attempt(
  arch: string,
  pgtables: PluginOptions,
  kernel: KernelPolicies,
  endOnFailure: boolean,
): fc.RunDetails<[readonly Op[]]> {
  const property = fc.property(sequence, (ops) => {
    holds(arch, 2, pgtables, kernel, ops);
  });
  return fc.check(property, { seed: 20260521, numRuns: 100, endOnFailure });
}

it("a failure is reported with its seed and with the sequence made short", () => {
  const report = attempt("x86-pks", {}, { resumeInitialisesRegister: false }, false);
  expect(report.counterexample?.[0]).toEqual([expect.objectContaining({ op: "suspend" })]);
  expect(fc.defaultReportMessage(report)).toMatch(/seed: 20260521, path: "[\d:]+"[^]*Counterexample: .*suspend/);
});
