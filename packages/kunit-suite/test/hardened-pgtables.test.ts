import { describe, expect, it } from "vitest";
import { hardenedPgtables, runSuites } from "../src/index.js";
import { createToyMachine, LINEAR_HIGH } from "./toy-machine.js";
import type { ToyMachine } from "./toy-machine.js";

const directMap = hardenedPgtables({ cases: ["write_direct_map_pgtables"] });

function tablesWritten(machine: ToyMachine): number[] {
  runSuites(machine, [directMap]);
  return machine.stores.map(({ low }) => low >>> 12);
}

describe("the suite kpkeys_hardened_pgtables", () => {
  it("has the five cases of v7 unless told otherwise", () => {
    expect(hardenedPgtables()).toMatchObject({
      name: "kpkeys_hardened_pgtables",
      config: "KPKEYS_HARDENED_PGTABLES_KUNIT_TEST",
    });
    expect(hardenedPgtables().cases.map(({ name }) => name)).toEqual([
      "write_direct_map_pgtables",
      "write_kernel_image_pud",
      "write_kernel_vmalloc_pte",
      "write_vmemmap_pmd",
      "write_user_pmd",
    ]);
  });

  it("tries every level of the direct map below the top one that the geometry has, and no folded one", () => {
    expect(tablesWritten(createToyMachine(["pgd", "p4d", "pud", "pmd", "pte"], () => true))).toEqual([11, 12, 13, 14]);
    expect(tablesWritten(createToyMachine(["pgd", "pud", "pmd", "pte"], () => true))).toEqual([11, 12, 13]);
    expect(tablesWritten(createToyMachine(["pgd", "pmd", "pte"], () => true))).toEqual([11, 12]);
  });

  it("writes the entry that translates the address, with the value that it has, at its linear address", () => {
    const machine = createToyMachine(["pgd", "pte"], () => true);
    runSuites(machine, [directMap]);
    expect(machine.stores).toEqual([{ high: LINEAR_HIGH, low: 0xb000 + 8 * 101, value: [7, 8] }]);
  });

  it("writes another value in the form of v5: a PTE that allows writing, a table entry with kernel attributes", () => {
    const machine = createToyMachine(["pgd", "pmd", "pte"], () => true);
    runSuites(machine, [hardenedPgtables({ cases: ["write_direct_map_pgtables"], value: "changed" })]);
    expect(machine.stores.map(({ value }) => value)).toEqual([
      [7 | 1, 8 | 2],
      [7 | 16, 8],
    ]);
  });

  it.each([
    [{ cases: ["write_user_pgd"] }, "write_user_pmd"],
    [{ cases: "write_user_pmd" }, "a list of"],
    [{ value: "other" }, "'same' or 'changed'"],
    [{ name: "" }, "a name"],
    [{ casess: [] }, "one of the options name, config, cases, value"],
  ])("refuses %j and says what was expected", (options, expected) => {
    expect(() => hardenedPgtables(options)).toThrow(expected);
    expect(() => hardenedPgtables(options)).toThrow(expect.objectContaining({ code: "ERR_SPEC" }));
  });

  it("reports every level that could be written", () => {
    const [result] = runSuites(
      createToyMachine(["pgd", "pud", "pmd", "pte"], (_high, low) => low >>> 12 === 12),
      [directMap],
    );
    expect(result?.cases[0]?.status).toBe("failed");
    expect(result?.cases[0]?.log.filter((line) => line.startsWith("EXPECTATION"))).toEqual([
      "EXPECTATION FAILED: Direct pud write wasn't prevented",
      "EXPECTATION FAILED: Direct pte write wasn't prevented",
    ]);
  });
});
