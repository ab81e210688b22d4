import { isSamePkeyValue, pkeyValueOf } from "@kpkeys/core";
import { Kpkeys } from "@kpkeys/core/contracts";
import { coverageOf } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { attack } from "../../attack.js";
import { runSuites } from "../../runner.js";
import type { SuiteResult } from "../../runner.js";
import { makeMachine } from "../machines.js";
import type { ConformanceRule, ConformanceSubject, ReportFinding } from "../rule.js";
import { valueText } from "../text.js";
import { STEPS, work } from "../workload.js";

/** Rules about a hardened kernel need a feature. */
const needsFeatures = ({ features }: ConformanceSubject): string | undefined =>
  features.length === 0 ? "no feature was passed" : undefined;

/** Reports CPUs whose key register differs from its initial value. Call it outside of all contexts. */
export function checkNothingLeft(machine: Machine, when: string, report: ReportFinding): void {
  const initial = machine.get(Kpkeys).initialValue();
  for (const cpu of machine.cpus.all) {
    const found = pkeyValueOf(cpu);
    if (isSamePkeyValue(found, initial)) continue;
    report(`${when} the key register of CPU ${cpu.id} is ${valueText(found)}; expected ${valueText(initial)}`);
  }
}

/** Reports the failed cases of all suites. @returns the results */
export function checkSuites(machine: Machine, report: ReportFinding): readonly SuiteResult[] {
  const suites = runSuites(machine);
  for (const { name: suite, cases } of suites) {
    for (const { name, status, log } of cases) {
      if (status === "failed") report(`${suite}.${name} fails: ${log.join("; ")}`);
    }
  }
  return suites;
}

/**
 * Reports protected pages and objects that are open, by the entries of every mapping and by probe accesses.
 * @returns number of probe accesses
 */
export function checkCovered(machine: Machine, when: string, report: ReportFinding): number {
  const tables = machine.scan();
  for (const { source, level, mapping, open, pages, address } of coverageOf(machine, tables).gaps) {
    const pagesText = level === "object" ? `${pages} objects` : `${pages} ${level} pages`;
    const accesses = open === "read-write" ? "reads and writes" : `${open}s`;
    report(
      `${when} ${pagesText} of source ${source} are open in the ${mapping} mapping for ${accesses}, the first at 0x${address}`,
    );
  }
  const { tried, gaps } = attack(machine, tables);
  for (const { source, stores, loads, address } of gaps) {
    report(
      `${when} ${stores} probe stores to ${source} and ${loads} probe loads from it succeed, the first at 0x${address}`,
    );
  }
  return tried;
}

const boots: ConformanceRule = {
  id: "kernel/boots",
  sentence: "the model kernel boots on it without a feature, and processes run and exit",
  source: "contracts PgtableArch, CpuFactory and PageTableFormat",
  check({ plugin }, report) {
    const machine = makeMachine(plugin, []);
    work(machine, 1, STEPS);
    checkNothingLeft(machine, "after the work", report);
    for (const { id, mmu } of machine.cpus.all) {
      const stale = mmu.auditTlb(() => undefined);
      if (stale > 0) report(`CPU ${id} has ${stale} stale TLB entries after the work`);
    }
    if (machine.counters().tableWrites === 0) report("no table write is counted");
  },
};

const suites: ConformanceRule = {
  id: "kernel/suites",
  sentence: "the suites of the features pass on it",
  source: "mm/tests/kpkeys_hardened_pgtables_kunit.c of the series",
  skip: needsFeatures,
  check({ plugin, features }, report) {
    checkSuites(makeMachine(plugin, features), report);
  },
};

const hardened: ConformanceRule = {
  id: "kernel/hardened",
  sentence: "with the features every table page is closed, after boot and after work, and every probe store is blocked",
  source: "contract ProtectedObjects; kpkeys_hardened_pgtables of the series",
  skip: needsFeatures,
  check({ plugin, features }, report) {
    const machine = makeMachine(plugin, features, { strict: true });
    const tried = checkCovered(machine, "after boot", report);
    work(machine, 2, STEPS);
    checkCovered(machine, "after work", report);
    if (tried === 0) report("there is no writable mapping of a table page to store to");
    checkNothingLeft(machine, "after the work", report);
  },
};

const without: ConformanceRule = {
  id: "kernel/without-pkeys",
  sentence: "on CPUs without kernel pkeys the features do nothing: the register is not written, and no suite fails",
  source: "arch_supports_kpkeys(); MachineSpec.boot.kpkeys",
  skip: needsFeatures,
  check({ plugin, features }, report) {
    const machine = makeMachine(plugin, features, { boot: { rodata: "full", kpkeys: "off" } });
    const before = machine.counters().registerWrites;
    work(machine, 3, STEPS);
    if (machine.get(Kpkeys).supported()) report("kpkeys are supported on a CPU without kernel pkeys");
    // Every task switch writes the register.
    const { contextSwitches, registerWrites } = machine.counters();
    if (registerWrites - before > contextSwitches)
      report(
        `${registerWrites - before} register writes; expected at most ${contextSwitches}, one for each task switch`,
      );
    checkSuites(machine, report);
  },
};

/** Rules of the model kernel on an architecture. */
export const KERNEL_RULES: readonly ConformanceRule[] = [boots, suites, hardened, without];
