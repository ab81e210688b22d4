import { isSamePkeyValue, pkeyValueOf } from "@kpkeys/core";
import { Kpkeys, KpkeysArch, Tasks } from "@kpkeys/core/contracts";
import { digestTables } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { checkNothingLeft } from "../arch/kernel.js";
import { checkImports, needsFiles } from "../imports.js";
import type { ConformanceRule } from "../rule.js";
import { STEPS, work, workInKernel } from "../workload.js";
import { exercise, onEachArch } from "./each-arch.js";

const imports: ConformanceRule = {
  id: "feature/imports",
  sentence: "the feature imports the framework and the contracts of @kpkeys/core, and no architecture",
  source: "CONTRIBUTING.md",
  skip: needsFiles,
  async check({ plugin, files }, report) {
    await checkImports(files!, ["@kpkeys/core", "@kpkeys/core/contracts"], ["arch"], report);
    for (const { id, kind } of plugin.dependencies ?? [])
      if (kind === "arch") report(`it depends on the architecture '${id}'`);
  },
};

const boots: ConformanceRule = {
  id: "feature/boots",
  sentence:
    "on every architecture a machine with the feature boots, and exercise() returns, with and without kernel pkeys",
  source: "contract Plugin: setup() and exercise()",
  ...onEachArch(({ boot, plugin }) => {
    for (const kpkeys of ["enforced", "off"] as const) exercise(plugin, boot({ boot: { rodata: "full", kpkeys } }));
  }),
};

const options: ConformanceRule = {
  id: "feature/options",
  sentence: "an unknown option is rejected with ERR_SPEC",
  source: "contract Plugin.setup",
  ...onEachArch(({ boot, plugin: { id } }, report) => {
    // Without the option the machine boots: another error is not about the option.
    boot();
    try {
      boot({ options: { [id]: { "no-such-option": 1 } } });
    } catch (error) {
      // Not by its class: the plugin may have loaded another copy of @kpkeys/core.
      const code: unknown = error instanceof Error && "code" in error ? error.code : undefined;
      if (code !== "ERR_SPEC")
        report(`the option 'no-such-option' is rejected with ${String(code ?? error)}; expected ERR_SPEC`);
      return;
    }
    report("the option 'no-such-option' is accepted; expected ERR_SPEC");
  }),
};

const privilege: ConformanceRule = {
  id: "feature/privilege",
  sentence: "after work no CPU and no waiting task is privileged, and no access depended on a missing barrier",
  source: "contract Kpkeys: every context entered is left",
  ...onEachArch(({ boot, plugin }, report) => {
    for (const seed of [1, 2]) {
      const machine = boot({ strict: true });
      checkNothingLeft(machine, "after boot", report);
      exercise(plugin, machine);
      checkNothingLeft(machine, "after exercise()", report);
      work(machine, seed, STEPS);
      checkNothingLeft(machine, "after work", report);
      const initial = machine.get(Kpkeys).initialValue();
      for (const task of machine.get(Tasks).all) {
        if (machine.get(Tasks).current === task) continue;
        if (!isSamePkeyValue(pkeyValueOf(task), initial))
          report(`after work the waiting task ${task.tid} is privileged`);
      }
    }
  }),
};

/** Digests and counters of a machine. */
function stateOf(machine: Machine): string {
  return JSON.stringify([
    digestTables(machine.memory, machine.scan()),
    machine.digestTranslations(),
    machine.counters(),
  ]);
}

const deterministic: ConformanceRule = {
  id: "feature/deterministic",
  sentence: "two machines with the same specification and the same work have equal tables, translations and counters",
  source: "MachineSpec: two machines of equal specifications behave the same",
  ...onEachArch(({ boot, plugin }, report) => {
    const [first, second] = [boot(), boot()];
    if (stateOf(first) !== stateOf(second)) report("two machines differ after boot");
    for (const machine of [first, second]) {
      exercise(plugin, machine);
      work(machine, 31, STEPS);
    }
    if (stateOf(first) !== stateOf(second)) report("two machines differ after the same work");
  }),
};

const cost: ConformanceRule = {
  id: "feature/cost",
  sentence: "contexts and setters count every register write and every barrier that the feature causes",
  source: "contracts KpkeysArch.counters and CpuCounters; MachineCounters",
  ...onEachArch(({ boot, plugin }, report) => {
    const machine = boot();
    const sum = (counter: "pkeyRegisterWrites" | "barriers"): number =>
      machine.cpus.all.reduce((total, cpu) => total + cpu.counters[counter], 0);
    const contexts = machine.get(KpkeysArch).counters;
    const before = { registerWrites: sum("pkeyRegisterWrites"), barriers: sum("barriers") };
    const ofContexts = { ...contexts };
    const { setterBarriers: ofSetters, contextSwitches } = machine.counters();
    exercise(plugin, machine);
    workInKernel(machine, 32);
    const writes = sum("pkeyRegisterWrites") - before.registerWrites;
    const counted = contexts.registerWrites - ofContexts.registerWrites;
    // A task switch in exercise() writes the register as well.
    const switches = machine.counters().contextSwitches - contextSwitches;
    if (writes < counted || writes > counted + switches)
      report(`the CPUs count ${writes} register writes; expected ${counted}, the count of contexts`);
    const barriers = sum("barriers") - before.barriers;
    const explained =
      contexts.barriers - ofContexts.barriers + machine.counters().setterBarriers - ofSetters + switches;
    if (barriers > explained)
      report(`the CPUs count ${barriers} barriers; expected at most ${explained}, the count of contexts and setters`);
  }),
};

const without: ConformanceRule = {
  id: "feature/without-pkeys",
  sentence: "on CPUs without kernel pkeys the feature writes no key register and sets no key",
  source: "kpkeys_supported(); MachineSpec.boot.kpkeys",
  ...onEachArch(({ boot, plugin }, report) => {
    const machine = boot({ boot: { rodata: "full", kpkeys: "off" } });
    const before = machine.counters();
    exercise(plugin, machine);
    workInKernel(machine, 32);
    const { registerWrites, contextSwitches, setMemoryPkeyPages } = machine.counters();
    const written = registerWrites - before.registerWrites;
    // A task switch in exercise() writes the register as well.
    if (written > contextSwitches - before.contextSwitches)
      report(`the register is written ${written} times; expected 0`);
    if (setMemoryPkeyPages > 0) report(`${setMemoryPkeyPages} pages get a key; expected 0`);
    const keyed = machine
      .scan()
      .flatMap(({ aliases }) => aliases)
      .filter(({ pkey }) => pkey !== 0);
    if (keyed.length > 0) report(`${keyed.length} mappings of table pages have a key; expected 0`);
  }),
};

/** Rules of the behaviour and the cost of a feature. */
export const BEHAVIOUR_RULES: readonly ConformanceRule[] = [
  imports,
  boots,
  options,
  privilege,
  deterministic,
  cost,
  without,
];
