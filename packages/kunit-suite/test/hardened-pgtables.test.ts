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
  it("has the five cases of v7 by default", () => {
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

  it("writes an entry of every level of the direct map below the top one, and of no folded level", () => {
    expect(tablesWritten(createToyMachine(["pgd", "p4d", "pud", "pmd", "pte"], () => true))).toEqual([11, 12, 13, 14]);
    expect(tablesWritten(createToyMachine(["pgd", "pud", "pmd", "pte"], () => true))).toEqual([11, 12, 13]);
    expect(tablesWritten(createToyMachine(["pgd", "pmd", "pte"], () => true))).toEqual([11, 12]);
  });

  it("writes the entry of the address through the linear map, with its own value", () => {
    const machine = createToyMachine(["pgd", "pte"], () => true);
    runSuites(machine, [directMap]);
    expect(machine.stores).toEqual([{ high: LINEAR_HIGH, low: 0xb000 + 8 * 101, value: [7, 8] }]);
  });

  it("writes the changed value of v5: a writable PTE, a table entry with kernel attributes", () => {
    const machine = createToyMachine(["pgd", "pmd", "pte"], () => true);
    runSuites(machine, [hardenedPgtables({ cases: ["write_direct_map_pgtables"], value: "changed" })]);
    expect(machine.stores.map(({ value }) => value)).toEqual([
      [7 | 1, 8 | 2],
      [7 | 16, 8],
    ]);
  });

  it.each([
    [{ cases: ["write_user_pgd"] }, "cases", "write_user_pmd"],
    [{ cases: "write_user_pmd" }, "cases", "write_user_pmd"],
    [{ value: "other" }, "value", "'changed'"],
    [{ name: "" }, "name", ""],
    [{ casess: [] }, "casess", "cases"],
  ])("rejects %j and names the option and the valid values", (options, option, expected) => {
    const message = expect.toSatisfy(
      (text: string) => text.includes(`: ${option} is `) && text.split("; expected ")[1]!.includes(expected),
    ) as string;
    expect(() => hardenedPgtables(options)).toThrow(expect.objectContaining({ code: "ERR_SPEC", message }) as Error);
  });

  it("reports every level that was written", () => {
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
