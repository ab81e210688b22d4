import { createPluginRegistry } from "@kpkeys/core";
import { buildMachine, DEFAULT_SPEC, coverageOf } from "@kpkeys/kernel";
import { attack, countResults, formatKtap, runSuites } from "@kpkeys/kunit-suite";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { expect, it } from "vitest";
import { oddArch } from "./odd-arch/plugin.js";
it("boots", () => {
  const registry = createPluginRegistry([oddArch, pgtablesHardening]);
  const m = buildMachine({ ...DEFAULT_SPEC, arch: "odd-kpr", memory:[{bytes:512*2**20}], features: ["pgtables"] }, registry);
  const tables = m.scan();
  console.log(coverageOf(m, tables), m.counters());
  console.log(attack(m, tables));
  const r = runSuites(m);
  console.log(formatKtap(r));
  expect(countResults(r).failed).toBe(0);
});
