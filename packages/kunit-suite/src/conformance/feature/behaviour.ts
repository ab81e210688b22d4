import { Kpkeys, KpkeysArch, Tasks } from "@kpkeys/core/contracts";
import { digestTables } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { checkNothingLeft } from "../arch/kernel.js";
import { checkImports } from "../imports.js";
import type { ConformanceRule } from "../rule.js";
import { work, workInKernel } from "../workload.js";
import { machineOf, needsArches } from "./protection.js";

const STEPS = 200;

const imports: ConformanceRule = {
  id: "feature/imports",
  sentence: "the feature imports the framework and the contracts of @kpkeys/core, and no architecture",
  source: "CONTRIBUTING.md, who may import whom",
  skip: ({ files }) => (files === undefined ? "the files of its package are not at hand" : undefined),
  async check({ plugin, files }, report) {
    await checkImports(files!, ["@kpkeys/core", "@kpkeys/core/contracts"], ["arch"], report);
    for (const { id, kind } of plugin.dependencies ?? [])
      if (kind === "arch") report(`it depends on the architecture '${id}'`);
  },
};

const options: ConformanceRule = {
  id: "feature/options",
  sentence: "an option that the feature does not have is refused with ERR_SPEC",
  source: "contract Plugin.setup",
  skip: needsArches,
  check(subject, report) {
    const { plugin, arches } = subject;
    try {
      machineOf(subject, arches[0]!, { options: { [plugin.id]: { "no-such-option": 1 } } });
    } catch (error) {
      // By its code: the plugin may have another copy of @kpkeys/core.
      const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
      if (code !== "ERR_SPEC")
        report(`the option 'no-such-option' is refused with ${String(code ?? error)}, ERR_SPEC expected`);
      return;
    }
    report("the option 'no-such-option' is taken");
  },
};

const privilege: ConformanceRule = {
  id: "feature/privilege",
  sentence: "after any work no CPU and no waiting task is privileged, and no access depended on a missing barrier",
  source: "contract Kpkeys: every context entered is left",
  skip: needsArches,
  check(subject, report) {
    for (const arch of subject.arches) {
      for (const seed of [1, 2]) {
        const machine = machineOf(subject, arch, { strict: true });
        checkNothingLeft(machine, `on ${arch.id}, after boot,`, report);
        work(machine, seed, STEPS);
        checkNothingLeft(machine, `on ${arch.id}, after work,`, report);
        const { high, low } = machine.get(Kpkeys).initialValue();
        for (const task of machine.get(Tasks).all) {
          if (machine.get(Tasks).current === task) continue;
          if (task.pkeyRegisterHigh !== high || task.pkeyRegisterLow !== low)
            report(`on ${arch.id}, after work, task ${task.tid} waits with privilege`);
        }
      }
    }
  },
};

/** All that can be told of a machine. */
function stateOf(machine: Machine): string {
  return JSON.stringify([
    digestTables(machine.memory, machine.scan()),
    machine.digestTranslations(),
    machine.counters(),
  ]);
}

const deterministic: ConformanceRule = {
  id: "feature/deterministic",
  sentence: "machines of one specification that do the same are the same: in one process, side by side, word by word",
  source: "MachineSpec: two machines of equal specifications behave the same",
  skip: needsArches,
  check(subject, report) {
    for (const arch of subject.arches) {
      const [first, second] = [machineOf(subject, arch), machineOf(subject, arch)];
      if (stateOf(first) !== stateOf(second)) report(`on ${arch.id} two machines differ after boot`);
      for (const machine of [first, second]) work(machine, 31, STEPS);
      if (stateOf(first) !== stateOf(second)) report(`on ${arch.id} two machines differ after the same work`);
    }
  },
};

const cost: ConformanceRule = {
  id: "feature/cost",
  sentence: "every register write and every barrier that the feature causes is one of a context, and so is counted",
  source: "contracts KpkeysArch.counters and CpuCounters; MachineCounters",
  skip: needsArches,
  check(subject, report) {
    for (const arch of subject.arches) {
      const machine = machineOf(subject, arch);
      const sum = (counter: "pkeyRegisterWrites" | "barriers"): number =>
        machine.cpus.all.reduce((total, cpu) => total + cpu.counters[counter], 0);
      const contexts = machine.get(KpkeysArch).counters;
      const before = { registerWrites: sum("pkeyRegisterWrites"), barriers: sum("barriers") };
      const ofContexts = { ...contexts };
      const ofSetters = machine.counters().setterBarriers;
      workInKernel(machine, 32);
      const writes = sum("pkeyRegisterWrites") - before.registerWrites;
      const counted = contexts.registerWrites - ofContexts.registerWrites;
      if (writes !== counted)
        report(`on ${arch.id} CPUs make ${writes} register writes, ${counted} of them in contexts`);
      const barriers = sum("barriers") - before.barriers;
      const explained = contexts.barriers - ofContexts.barriers + machine.counters().setterBarriers - ofSetters;
      if (barriers > explained)
        report(`on ${arch.id} CPUs make ${barriers} barriers, ${explained} of them in contexts and setters`);
    }
  },
};

const without: ConformanceRule = {
  id: "feature/without-pkeys",
  sentence: "on CPUs without kernel pkeys the feature switches nothing and gives no page a key",
  source: "kpkeys_supported(); MachineSpec.boot.kpkeys",
  skip: needsArches,
  check(subject, report) {
    for (const arch of subject.arches) {
      const machine = machineOf(subject, arch, { boot: { rodata: "full", kpkeys: "off" } });
      const before = machine.counters().registerWrites;
      workInKernel(machine, 32);
      const { registerWrites, setMemoryPkeyPages } = machine.counters();
      if (registerWrites > before) report(`on ${arch.id} the register is written ${registerWrites - before} times`);
      if (setMemoryPkeyPages > 0) report(`on ${arch.id} ${setMemoryPkeyPages} pages are given a key`);
      const keyed = machine
        .scan()
        .flatMap(({ aliases }) => aliases)
        .filter(({ pkey }) => pkey !== 0);
      if (keyed.length > 0) report(`on ${arch.id} ${keyed.length} mappings of table pages have a key`);
    }
  },
};

/** Rules of what a feature does and costs. */
export const BEHAVIOUR_RULES: readonly ConformanceRule[] = [imports, options, privilege, deterministic, cost, without];
