import { Kpkeys } from "@kpkeys/core/contracts";
import { coverageOf } from "@kpkeys/kernel";
import { attack } from "../../attack.js";
import { runSuites } from "../../runner.js";
import { makeMachine } from "../machines.js";
import type { ConformanceRule, ConformanceSubject, ReportFinding } from "../rule.js";
import { valueText } from "../text.js";
import { work } from "../workload.js";
import type { Machine } from "@kpkeys/kernel";

const STEPS = 200;

const needsFeatures = ({ features }: ConformanceSubject): string | undefined =>
  features.length === 0 ? "no feature was given to run on it" : undefined;

/** Every CPU's register has to be as at first once nothing is entered any more. */
export function checkNothingLeft(machine: Machine, when: string, report: ReportFinding): void {
  const { high, low } = machine.get(Kpkeys).initialValue();
  for (const { id, pkeyRegisterHigh, pkeyRegisterLow } of machine.cpus.all) {
    if (pkeyRegisterHigh === high && pkeyRegisterLow === low) continue;
    const found = valueText({ high: pkeyRegisterHigh, low: pkeyRegisterLow });
    report(`${when} the register of CPU ${id} holds ${found}, ${valueText({ high, low })} in the DEFAULT context`);
  }
}

/** Failed cases of all suites, each a finding. */
export function checkSuites(machine: Machine, report: ReportFinding): void {
  for (const suite of runSuites(machine)) {
    for (const { name, status, log } of suite.cases) {
      if (status === "failed") report(`${suite.name}.${name} fails: ${log.join("; ")}`);
    }
  }
}

const boots: ConformanceRule = {
  id: "kernel/boots",
  sentence: "the model kernel boots on it without a feature, and processes live and die",
  source: "contracts PgtableArch, CpuFactory and PageTableFormat",
  check({ plugin }, report) {
    const machine = makeMachine(plugin, []);
    work(machine, 1, STEPS);
    checkNothingLeft(machine, "after the work", report);
    for (const { id, mmu } of machine.cpus.all) {
      const stale = mmu.auditTlb(() => undefined);
      if (stale > 0) report(`CPU ${id} has ${stale} stale translations after the work`);
    }
    const counted = machine.counters();
    if (counted.tableWrites === 0) report("no table write is counted");
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
  sentence: "with the features every table page is closed, before and after work, and no attack gets through",
  source: "contract ProtectedObjects; kpkeys_hardened_pgtables of the series",
  skip: needsFeatures,
  check({ plugin, features }, report) {
    const machine = makeMachine(plugin, features, { strict: true });
    for (const when of ["after boot", "after work"]) {
      const tables = machine.scan();
      for (const { source, level, pages, address } of coverageOf(machine, tables).gaps) {
        report(`${when} ${pages} ${level} pages of source ${source} are open, the first at 0x${address}`);
      }
      const { tried, gaps } = attack(machine, tables);
      for (const { source, stores, address } of gaps)
        report(`${when} ${stores} stores to ${source} get through, the first at 0x${address}`);
      if (tried === 0) report(`${when} nothing is there to attack`);
      if (when === "after boot") work(machine, 2, STEPS);
    }
    checkNothingLeft(machine, "after the work", report);
  },
};

const without: ConformanceRule = {
  id: "kernel/without-pkeys",
  sentence:
    "on CPUs without kernel pkeys the features change nothing: no register is written, and their suites are skipped",
  source: "arch_supports_kpkeys(); MachineSpec.boot.kpkeys",
  skip: needsFeatures,
  check({ plugin, features }, report) {
    const machine = makeMachine(plugin, features, { boot: { rodata: "full", kpkeys: "off" } });
    const before = machine.counters().registerWrites;
    work(machine, 3, STEPS);
    if (machine.get(Kpkeys).supported()) report("kpkeys are supported though the CPU's pkeys are off");
    // A switch of tasks carries the register along whatever it holds.
    const { contextSwitches, registerWrites } = machine.counters();
    if (registerWrites - before > contextSwitches)
      report(`${registerWrites - before} register writes in ${contextSwitches} switches`);
    checkSuites(machine, report);
  },
};

/** Rules of the model kernel on an architecture. */
export const KERNEL_RULES: readonly ConformanceRule[] = [boots, suites, hardened, without];
