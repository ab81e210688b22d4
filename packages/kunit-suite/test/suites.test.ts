import { createContainer, ExtensionPointTable, provide, resolve } from "@kpkeys/core";
import { ExtensionPoints, KernelConfig, KunitOptions } from "@kpkeys/core/contracts";
import type { KunitSuite } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { filterSuites, shuffleSuites, suitesOf } from "../src/index.js";
import type { MachineUnderTest } from "../src/index.js";

const PGTABLES = "KPKEYS_HARDENED_PGTABLES_KUNIT_TEST";
const LAZY = "LAZY_MMU_MODE_KUNIT_TEST";

function suite(name: string, cases: readonly string[], config?: string): KunitSuite {
  return {
    name,
    ...(config !== undefined && { config }),
    cases: cases.map((each) => ({ name: each, run: () => undefined })),
  };
}

function machine(
  symbols: readonly string[],
  options: KunitOptions = {},
  added: readonly KunitSuite[] = [],
): MachineUnderTest {
  const container = createContainer();
  const points = new ExtensionPointTable();
  for (const each of added) points.addSuite(each);
  provide(container, ExtensionPoints, points);
  provide(container, KernelConfig, new Set(symbols));
  provide(container, KunitOptions, options);
  return { get: (token) => resolve(container, token) };
}

const namesOf = (suites: readonly KunitSuite[]): string[] => suites.map(({ name }) => name);

describe("the suites of a machine", () => {
  it("are those whose config symbol is on", () => {
    expect(namesOf(suitesOf(machine([])))).toEqual([]);
    expect(namesOf(suitesOf(machine([PGTABLES])))).toEqual(["kpkeys_hardened_pgtables"]);
    expect(namesOf(suitesOf(machine([LAZY])))).toEqual(["lazy_mmu_mode"]);
    expect(namesOf(suitesOf(machine([LAZY, PGTABLES])))).toEqual(["kpkeys_hardened_pgtables", "lazy_mmu_mode"]);
  });

  it("include those of its features, by their config symbol", () => {
    const added = [suite("always", ["a"]), suite("sometimes", ["b"], "SOME_KUNIT_TEST")];
    expect(namesOf(suitesOf(machine([], {}, added)))).toEqual(["always"]);
    expect(namesOf(suitesOf(machine(["SOME_KUNIT_TEST"], {}, added)))).toEqual(["always", "sometimes"]);
  });

  it("have the options of the specification, including the config symbol", () => {
    const options = { name: "Hardened pgtables using kpkeys", config: "KPKEYS_HARDENED_PGTABLES_TEST" };
    expect(namesOf(suitesOf(machine([PGTABLES], { kpkeys_hardened_pgtables: options })))).toEqual([]);
    const built = machine(["KPKEYS_HARDENED_PGTABLES_TEST"], { kpkeys_hardened_pgtables: options });
    expect(namesOf(suitesOf(built))).toEqual(["Hardened pgtables using kpkeys"]);
  });

  it("have no case whose config symbol is off", () => {
    const cases = ["write_early_kernel_vmap_pte", "write_user_pmd"];
    const on = (...symbols: string[]): string[] =>
      suitesOf(machine([PGTABLES, ...symbols], { kpkeys_hardened_pgtables: { cases } }))[0]!.cases.map(
        ({ name }) => name,
      );
    expect(on()).toEqual(["write_user_pmd"]);
    expect(on("ARM64")).toEqual(cases);
  });

  it("reject options of an unknown suite", () => {
    expect(() => suitesOf(machine([], { kpkeys_hardened_pgtable: {} }))).toThrow(
      expect.objectContaining({
        code: "ERR_SPEC",
        message: expect.stringContaining("expected kpkeys_hardened_pgtables, lazy_mmu_mode") as string,
      }) as Error,
    );
  });
});

const SUITES = [suite("one", ["a", "b", "c", "d", "e"]), suite("two", ["a"])];

describe("a filter", () => {
  it("removes cases, and suites without cases", () => {
    const chosen = filterSuites(SUITES, (name, kunitCase) => name === "one" && kunitCase !== "b");
    expect(chosen.map(({ name, cases }) => [name, cases.length])).toEqual([["one", 4]]);
  });
});

describe("an order by a seed", () => {
  const ordersOf = (seed: number): string[] =>
    shuffleSuites(SUITES, seed).map(({ cases }) => cases.map(({ name }) => name).join(""));

  it("has every case once, and is the same for the same seed", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const [one, two] = ordersOf(seed);
        expect(Array.from(one!).sort().join("")).toBe("abcde");
        expect(two).toBe("a");
        expect(ordersOf(seed)).toEqual([one, two]);
      }),
    );
  });

  it("can be any order", () => {
    const seen = new Set(Array.from({ length: 3000 }, (_, seed) => ordersOf(seed)[0]!));
    expect(seen.size).toBe(120);
  });
});
