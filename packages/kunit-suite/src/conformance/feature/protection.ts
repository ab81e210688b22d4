import { Kpkeys, ProtectedObjects } from "@kpkeys/core/contracts";
import type { Plugin, ProtectionClaim } from "@kpkeys/core/contracts";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { checkCovered, checkSuites } from "../arch/kernel.js";
import { makeMachine } from "../machines.js";
import type { ConformanceRule, ConformanceSubject } from "../rule.js";
import { work } from "../workload.js";

const STEPS = 200;

/** Rules of a feature need an architecture to run on. */
export const needsArches = ({ arches }: ConformanceSubject): string | undefined =>
  arches.length === 0 ? "no architecture was passed" : undefined;

/** A machine with the feature and its dependencies. */
export function machineOf({ plugin }: ConformanceSubject, arch: Plugin, spec: Partial<MachineSpec> = {}): Machine {
  return makeMachine(arch, [plugin], spec);
}

const claimsOf = (machine: Machine, { plugin }: ConformanceSubject): readonly ProtectionClaim[] =>
  machine.get(ProtectedObjects).claims.filter(({ feature }) => feature === plugin.id);

const declares: ConformanceRule = {
  id: "feature/declares",
  sentence: "the feature declares under its own id what it protects, with a registered key other than the default key",
  source: "contract ProtectedObjects",
  skip: needsArches,
  check(subject, report) {
    for (const arch of subject.arches) {
      const machine = machineOf(subject, arch);
      const claims = claimsOf(machine, subject);
      const names = machine.get(Kpkeys).pkeyNames;
      if (claims.length === 0) report(`on ${arch.id} '${subject.plugin.id}' declares no protection`);
      for (const { tablePkey, objects } of claims) {
        if (tablePkey === undefined && objects === undefined)
          report(`on ${arch.id} a claim has neither table pages nor objects`);
        const keys = [
          ...(tablePkey === undefined ? [] : [tablePkey]),
          ...Array.from(objects?.() ?? [], ({ pkey }) => pkey),
        ];
        for (const key of new Set(keys)) {
          if (key === 0 || !names.has(key))
            report(
              `on ${arch.id} a claim has key ${key}, which is ${key === 0 ? "the default key" : "not registered"}`,
            );
        }
      }
    }
  },
};

const covers: ConformanceRule = {
  id: "feature/covers",
  sentence:
    "everything that the feature declares is closed in every mapping, after boot and after work, and every probe store is blocked",
  source: "contract ProtectedObjects; the series' own threat model: a write primitive outside the guarded functions",
  skip: needsArches,
  check(subject, report) {
    for (const arch of subject.arches) {
      const machine = machineOf(subject, arch);
      checkCovered(machine, `on ${arch.id}, after boot,`, report);
      work(machine, 21, STEPS);
      checkCovered(machine, `on ${arch.id}, after work,`, report);
    }
  },
};

const suites: ConformanceRule = {
  id: "feature/suites",
  sentence: "on every architecture the kernel's suites and the suites of the feature pass",
  source: "contract ExtensionPoints.addSuite",
  skip: needsArches,
  check(subject, report) {
    for (const arch of subject.arches) {
      const machine = machineOf(subject, arch);
      checkSuites(machine, (finding) => {
        report(`on ${arch.id} ${finding}`);
      });
    }
  },
};

/** Rules of the protection by a feature. */
export const PROTECTION_RULES: readonly ConformanceRule[] = [declares, covers, suites];
