import { Kpkeys, ProtectedObjects } from "@kpkeys/core/contracts";
import type { Plugin, ProtectionClaim } from "@kpkeys/core/contracts";
import { coverageOf } from "@kpkeys/kernel";
import type { Machine, MachineSpec } from "@kpkeys/kernel";
import { attack } from "../../attack.js";
import { checkSuites } from "../arch/kernel.js";
import { makeMachine } from "../machines.js";
import type { ConformanceRule, ConformanceSubject, ReportFinding } from "../rule.js";
import { work } from "../workload.js";

const STEPS = 200;

/** Without an architecture there is no machine to judge a feature on. */
export const needsArches = ({ arches }: ConformanceSubject): string | undefined =>
  arches.length === 0 ? "no architecture was given to run on" : undefined;

/** The feature on one architecture, with the features that it depends on. */
export function machineOf({ plugin }: ConformanceSubject, arch: Plugin, spec: Partial<MachineSpec> = {}): Machine {
  return makeMachine(arch, [plugin], spec);
}

const claimsOf = (machine: Machine, { plugin }: ConformanceSubject): readonly ProtectionClaim[] =>
  machine.get(ProtectedObjects).claims.filter(({ feature }) => feature === plugin.id);

const declares: ConformanceRule = {
  id: "feature/declares",
  sentence: "the feature says in its own name what it protects, by a registered key that is not the default one",
  source: "contract ProtectedObjects",
  skip: needsArches,
  check(subject, report) {
    for (const arch of subject.arches) {
      const machine = machineOf(subject, arch);
      const claims = claimsOf(machine, subject);
      const names = machine.get(Kpkeys).pkeyNames;
      if (claims.length === 0) report(`on ${arch.id} '${subject.plugin.id}' declares nothing`);
      for (const { tablePkey, objects } of claims) {
        if (tablePkey === undefined && objects === undefined)
          report(`on ${arch.id} a claim is neither about table pages nor about objects`);
        const keys = [
          ...(tablePkey === undefined ? [] : [tablePkey]),
          ...Array.from(objects?.() ?? [], ({ pkey }) => pkey),
        ];
        for (const key of new Set(keys)) {
          if (key === 0 || !names.has(key))
            report(
              `on ${arch.id} it claims protection by key ${key}, which is ${key === 0 ? "the default key" : "not registered"}`,
            );
        }
      }
    }
  },
};

/** Finds what is claimed and open, by the entries of every mapping and by attacks. */
function checkCovered(machine: Machine, when: string, report: ReportFinding): void {
  const tables = machine.scan();
  for (const { source, level, mapping, pages, address } of coverageOf(machine, tables).gaps) {
    const what = level === "object" ? `${pages} objects` : `${pages} ${level} pages`;
    report(`${when} ${what} of source ${source} are open in the ${mapping} mapping, the first at 0x${address}`);
  }
  for (const { source, stores, address } of attack(machine, tables).gaps) {
    report(`${when} ${stores} stores to ${source} get through, the first at 0x${address}`);
  }
}

const covers: ConformanceRule = {
  id: "feature/covers",
  sentence:
    "all that the feature claims is closed through every mapping, after boot and after work, and no attack gets through",
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
  sentence: "on every architecture the kernel's suites pass, and those that the feature brings",
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

/** Rules of what a feature protects. */
export const PROTECTION_RULES: readonly ConformanceRule[] = [declares, covers, suites];
