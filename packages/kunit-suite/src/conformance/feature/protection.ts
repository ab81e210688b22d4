import { FaultKind, Kpkeys, Observers, ProtectedObjects } from "@kpkeys/core/contracts";
import type { ProtectedObject, ProtectionClaim } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { suitesOf } from "../../suites.js";
import { checkCovered, checkSuites } from "../arch/kernel.js";
import type { SuiteResult } from "../../runner.js";
import type { ConformanceRule, ReportFinding } from "../rule.js";
import { STEPS, work } from "../workload.js";
import { exercise, onEachArch } from "./each-arch.js";
import { EXERCISE_RULE, isKeyed } from "./exercise.js";

/** The claims of a feature. */
const claimsOf = (machine: Machine, id: string): readonly ProtectionClaim[] =>
  machine.get(ProtectedObjects).claims.filter(({ feature }) => feature === id);

/** Whether a feature protects anything now: table pages or objects. */
const protectsAnything = (machine: Machine, id: string): boolean =>
  claimsOf(machine, id).some(({ tablePkey, objects }) => tablePkey !== undefined || !isEmpty(objects?.() ?? []));

const isEmpty = (objects: Iterable<ProtectedObject>): boolean => [...objects].length === 0;

const declares: ConformanceRule = {
  id: "feature/declares",
  sentence:
    "the feature declares under its own id what it protects: table pages, or objects that exist after boot and exercise(), with a registered key other than the default key",
  source: "contract ProtectedObjects",
  ...onEachArch(({ boot, plugin }, report) => {
    const machine = boot();
    exercise(plugin, machine);
    // Rejects objects with a malformed field.
    machine.scanObjects();
    const claims = claimsOf(machine, plugin.id);
    const names = machine.get(Kpkeys).pkeyNames;
    if (claims.length === 0) report(`'${plugin.id}' declares no protection`);
    else if (!protectsAnything(machine, plugin.id))
      report(
        `no object of '${plugin.id}' exists after boot and exercise(); expected a plugin with an exercise() that makes one`,
      );
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

/** Reports objects that no mapping reaches with their key: a feature protects nothing of them. */
function checkKeyed(machine: Machine, report: ReportFinding): void {
  for (const object of machine.scanObjects()) {
    if (isKeyed(object)) continue;
    report(`no mapping of a ${object.source} in page frame ${object.pfn} has its key ${object.pkey}`);
  }
}

/** The keys that a feature claims. */
function keysOf(machine: Machine, id: string): ReadonlySet<number> {
  const claims = claimsOf(machine, id);
  const ofObjects = claims.flatMap(({ objects }) => Array.from(objects?.() ?? [], ({ pkey }) => pkey));
  return new Set([...claims.flatMap(({ tablePkey }) => tablePkey ?? []), ...ofObjects]);
}

/** Runs the suites. @returns their results, and the keys that denied an access */
function runSuitesObserved(
  machine: Machine,
  report: ReportFinding,
): { readonly results: readonly SuiteResult[]; readonly denied: ReadonlySet<number> } {
  const denied = new Set<number>();
  const detach = machine.get(Observers).attach({
    fault: (_, { kind, pkey }) => {
      if (kind === FaultKind.PKEY) denied.add(pkey);
    },
  });
  const results = checkSuites(machine, report);
  detach();
  return { results, denied };
}

const covers: ConformanceRule = {
  id: "feature/covers",
  sentence:
    "everything that the feature declares is closed in every mapping, after boot, exercise() and work, and every probe access is blocked",
  source: "contract ProtectedObjects; the series' own threat model: a write primitive outside the guarded functions",
  ...onEachArch(({ boot, plugin }, report, notJudged) => {
    const machine = boot();
    checkCovered(machine, "after boot", report);
    if (plugin.exercise !== undefined) {
      exercise(plugin, machine);
      checkCovered(machine, "after exercise()", report);
    }
    if (!protectsAnything(machine, plugin.id)) notJudged(`'${plugin.id}' protects no table page and no object`);
    checkKeyed(machine, report);
    work(machine, 21, STEPS);
    checkCovered(machine, "after work", report);
  }),
};

const suites: ConformanceRule = {
  id: "feature/suites",
  sentence:
    "on every architecture the feature adds a suite of which a case makes an access that its key denies, and its suites and the kernel's pass",
  source: "contract ExtensionPoints.addSuite",
  ...onEachArch(({ boot, bootWithout, plugin: { id } }, report, notJudged) => {
    const others = new Set(suitesOf(bootWithout()).map(({ name }) => name));
    const machine = boot();
    const { results, denied } = runSuitesObserved(machine, report);
    const own = results.filter(({ name }) => !others.has(name));
    const cases = own.flatMap((suite) => suite.cases);
    if (own.length === 0) notJudged(`'${id}' adds no suite`);
    else if (cases.every(({ status }) => status === "skipped"))
      notJudged(`every case of ${own.map(({ name }) => name).join(", ")} is skipped`);
    else if (![...keysOf(machine, id)].some((key) => denied.has(key)))
      notJudged(`no case makes an access that a key of '${id}' denies`);
  }),
};

/** Rules of the protection by a feature. */
export const PROTECTION_RULES: readonly ConformanceRule[] = [declares, EXERCISE_RULE, covers, suites];
