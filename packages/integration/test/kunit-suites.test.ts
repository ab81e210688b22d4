import { overriding } from "@kpkeys/core";
import { KernelConfig, LazyMmu } from "@kpkeys/core/contracts";
import type { PluginOptions, Token } from "@kpkeys/core/contracts";
import { countResults, formatKtap, hardenedPgtables, lazyMmuMode, runSuites, suitesOf } from "@kpkeys/kunit-suite";
import type { HardenedPgtablesCase, MachineUnderTest } from "@kpkeys/kunit-suite";
import type { KernelPolicies } from "@kpkeys/kernel";
import { describe, expect, it } from "vitest";

import { ARCHES, hardened, machine } from "./machines.js";

const ALL_TESTS = ["CONFIG_KUNIT=y", "CONFIG_KUNIT_ALL_TESTS=y"];
const SYMBOL = "KPKEYS_HARDENED_PGTABLES_KUNIT_TEST";

const namesOf = (under: MachineUnderTest): string[] => suitesOf(under).map(({ name }) => name);
const failedOf = (under: MachineUnderTest, suites = suitesOf(under)): string[] =>
  runSuites(under, suites)
    .flatMap(({ cases }) => cases)
    .filter(({ status }) => status === "failed")
    .map(({ name }) => name);

describe.each(ARCHES)("which suites are built in on %s", (arch) => {
  it("without a word of KUnit: those bundled with the features", () => {
    expect(namesOf(hardened(arch))).toEqual(["kpkeys_hardened_pgtables"]);
    expect(namesOf(machine(arch))).toEqual([]);
  });

  it("with all tests: the kernel's own too", () => {
    expect(namesOf(hardened(arch, {}, { config: ALL_TESTS }))).toEqual(["kpkeys_hardened_pgtables", "lazy_mmu_mode"]);
    expect(namesOf(machine(arch, { config: ALL_TESTS }))).toEqual(["lazy_mmu_mode"]);
  });

  it("none whose symbol is unset in the config", () => {
    const without = (...lines: string[]): string[] => namesOf(hardened(arch, {}, { config: lines }));
    expect(without(`# CONFIG_${SYMBOL} is not set`)).toEqual([]);
    expect(without(...ALL_TESTS, `# CONFIG_${SYMBOL} is not set`)).toEqual(["lazy_mmu_mode"]);
    expect(without(...ALL_TESTS, "# CONFIG_LAZY_MMU_MODE_KUNIT_TEST is not set")).toEqual(["kpkeys_hardened_pgtables"]);
    expect(without("# CONFIG_KUNIT is not set")).toEqual([]);
    expect(without("CONFIG_KUNIT=y")).toEqual([]);
    expect(without("CONFIG_KUNIT=y", `CONFIG_${SYMBOL}=y`)).toEqual(["kpkeys_hardened_pgtables"]);
  });

  it("as the machine reports: a symbol that is on is among its config", () => {
    expect(hardened(arch).get(KernelConfig).has(SYMBOL)).toBe(true);
    expect(machine(arch).get(KernelConfig).has(SYMBOL)).toBe(false);
    expect(machine(arch).get(KernelConfig).has("ARM64")).toBe(arch === "arm64-poe");
  });
});

describe.each(ARCHES)("a case of page tables on %s fails where its own source is open, and no other does", (arch) => {
  it.each<readonly [HardenedPgtablesCase, PluginOptions, KernelPolicies]>([
    ["write_kernel_vmalloc_pte", { tagging: "ctor-missing-kernel" }, {}],
    ["write_early_kernel_vmap_pte", { tagging: "ctor-missing-kernel" }, { irqStacks: "vmap" }],
    ["write_vmemmap_pmd", { vmemmap: false }, {}],
    // x86 maps the end of RAM, where pages are taken from first, by static tables.
    ...(arch === "arm64-poe" ? [["write_direct_map_pgtables", { earlyRanges: 0 }, {}] as const] : []),
  ])("%s", (name, pgtables, kernel) => {
    const suites = [hardenedPgtables({ cases: [name] }), hardenedPgtables({ cases: ["write_user_pmd"] })];
    expect(failedOf(hardened(arch, {}, { kernel }), suites)).toEqual([]);
    expect(failedOf(hardened(arch, pgtables, { kernel }), suites)).toEqual([name]);
  });

  it("each of v7, on a kernel without the hardening", () => {
    const results = runSuites(machine(arch), [hardenedPgtables()]);
    expect(countResults(results).failed).toBe(5);
    expect(formatKtap(results)).toContain("Direct pmd write wasn't prevented");
  });

  it("with the values that v5 writes too, after which the machine still runs", () => {
    const suites = [
      hardenedPgtables({ cases: ["write_linear_map_pte", "write_kernel_vmalloc_pte"], value: "changed" }),
    ];
    expect(failedOf(hardened(arch), suites)).toEqual([]);
    expect(failedOf(machine(arch), suites)).toEqual(["write_linear_map_pte", "write_kernel_vmalloc_pte"]);
  });
});

describe("the suite of lazy MMU mode", () => {
  it.each(ARCHES)("passes on %s, on a kernel with the hardening and without, and leaves no section open", (arch) => {
    for (const under of [hardened(arch), machine(arch)]) {
      expect(countResults(runSuites(under, [lazyMmuMode]))).toEqual({ passed: 7, failed: 0, skipped: 0 });
      expect(under.get(LazyMmu).isEnabled()).toBe(false);
      expect(under.get(LazyMmu).warnings).toBe(0);
    }
  });

  /** A machine whose lazy MMU mode differs in one rule. */
  function broken(change: (lazy: LazyMmu) => Partial<LazyMmu>): MachineUnderTest {
    const under = machine("x86-pks");
    const lazy = under.get(LazyMmu);
    const other = overriding(lazy, change(lazy));
    return { get: <T>(token: Token<T>): T => ((token as unknown) === LazyMmu ? (other as T) : under.get(token)) };
  }

  it.each<[rule: string, change: (lazy: LazyMmu) => Partial<LazyMmu>]>([
    ["a section that never begins", () => ({ enable: () => undefined, disable: () => undefined })],
    [
      "a section that ends with an inner one",
      (lazy) => ({
        disable() {
          while (lazy.isActive()) lazy.disable();
        },
      }),
    ],
    ["a pause that is none", () => ({ pause: () => undefined, resume: () => undefined })],
    [
      "a pause that the first resume ends",
      (lazy) => {
        let pauses = 0;
        return {
          pause() {
            pauses++;
            lazy.pause();
          },
          resume() {
            for (; pauses > 0; pauses--) lazy.resume();
          },
        };
      },
    ],
    ["a flag that interrupts do not hide", (lazy) => ({ isActive: () => lazy.isEnabled() })],
  ])("fails for %s", (_, change) => {
    expect(failedOf(broken(change), [lazyMmuMode])).not.toEqual([]);
  });
});
