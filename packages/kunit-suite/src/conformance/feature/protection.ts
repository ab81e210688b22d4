import { Kpkeys, ProtectedObjects } from "@kpkeys/core/contracts";
import { checkCovered, checkSuites } from "../arch/kernel.js";
import type { ConformanceRule } from "../rule.js";
import { STEPS, work } from "../workload.js";
import { onEachArch } from "./each-arch.js";

const declares: ConformanceRule = {
  id: "feature/declares",
  sentence: "the feature declares under its own id what it protects, with a registered key other than the default key",
  source: "contract ProtectedObjects",
  ...onEachArch((boot, report, { id }) => {
    const machine = boot();
    const claims = machine.get(ProtectedObjects).claims.filter(({ feature }) => feature === id);
    const names = machine.get(Kpkeys).pkeyNames;
    if (claims.length === 0) report(`'${id}' declares no protection`);
    for (const { tablePkey, objects } of claims) {
      if (tablePkey === undefined && objects === undefined) report("a claim has neither table pages nor objects");
      const keys = new Set(Array.from(objects?.() ?? [], ({ pkey }) => pkey));
      if (tablePkey !== undefined) keys.add(tablePkey);
      for (const key of keys) {
        if (key === 0 || !names.has(key))
          report(`a claim has key ${key}, which is ${key === 0 ? "the default key" : "not registered"}`);
      }
    }
  }),
};

const covers: ConformanceRule = {
  id: "feature/covers",
  sentence:
    "everything that the feature declares is closed in every mapping, after boot and after work, and every probe store is blocked",
  source: "contract ProtectedObjects; the series' own threat model: a write primitive outside the guarded functions",
  ...onEachArch((boot, report) => {
    const machine = boot();
    checkCovered(machine, "after boot", report);
    work(machine, 21, STEPS);
    checkCovered(machine, "after work", report);
  }),
};

const suites: ConformanceRule = {
  id: "feature/suites",
  sentence: "on every architecture the kernel's suites and the suites of the feature pass",
  source: "contract ExtensionPoints.addSuite",
  ...onEachArch((boot, report) => {
    checkSuites(boot(), report);
  }),
};

/** Rules of the protection by a feature. */
export const PROTECTION_RULES: readonly ConformanceRule[] = [declares, covers, suites];
