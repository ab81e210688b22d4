import { fromWords, KpkeysError, registerText } from "@kpkeys/core";
import { Access, ArchTools, Kpkeys, OK, PkeyRegister, Privilege } from "@kpkeys/core/contracts";
import type { KpkeysState, Words } from "@kpkeys/core/contracts";
import { KernelFault } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { createKpkeysV6 } from "../dialects/v6.js";
import { createKpkeysV7 } from "../dialects/v7.js";
import { linearAddress, liveRegister, liveRights, oopsIn, probeStore } from "../evidence.js";
import type { Exhibit, Finding, Scene } from "../exhibit.js";
import { openValue } from "../pgtables.js";
import { allocPage, allocTable } from "../setup.js";

const wordsText = ({ high, low }: Words): string => registerText(high, low);

/** An attacker calls a function with the value that makes page tables writable, for instance by an overwritten function pointer. */
function callWith(name: string, call: (machine: Machine, value: Words) => void): (scene: Scene) => Finding {
  return ({ machine, step }) => {
    const target = allocTable(machine, "kernel");
    const value = openValue(machine);
    step(`${name} is called with ${wordsText(value)}`);
    const error = stateError(() => {
      call(machine, value);
    });
    step("a probe store to a table page");
    const { seen, evidence, facts } = probeStore(machine, target, "probe store");
    return {
      seen: error === undefined || seen,
      evidence: `${name}(${wordsText(value)}): ${error?.message ?? "accepted"}\n${evidence}`,
      facts: error === undefined ? facts : { ...facts, rejected: error.code },
    };
  };
}

/** The ERR_STATE_FOREIGN of a call; `undefined` if the call succeeds. */
function stateError(call: () => void): KpkeysError | undefined {
  try {
    call();
  } catch (error) {
    if (error instanceof KpkeysError && error.code === "ERR_STATE_FOREIGN") return error;
    throw error;
  }
  return undefined;
}

const leaveWithForgedState = callWith("kpkeys_leave_context", (machine, { low }) => {
  machine.get(Kpkeys).leaveContext(low as KpkeysState);
});

const callableRestore: Exhibit = {
  id: "callable-restore",
  title: "a callable function wrote its argument to the key register",
  series: "v3→v4",
  citation: "RFC v4 changelog, patches 1 and 5: always inline, suggested by Maxwell Bland",
  story:
    "kpkeys_restore_pkey_reg() writes its argument to the key register. If it has an address, an attacker needs one call with one argument to open every key.",
  fix: "v4 always inlines it, so that there is nothing to call. In the model, leaveContext() accepts only states that enterContext() returned.",
  detector: "attack",
  red: {
    run: callWith("kpkeys_restore_pkey_reg of levels", (machine, value) => {
      createKpkeysV6(machine.container).restorePkeyReg(fromWords(value.high, value.low));
    }),
  },
  green: { run: leaveWithForgedState },
};

const restoreAnyValue: Exhibit = {
  id: "restore-any-value",
  title: "the API returned raw register values and accepted any value",
  series: "v8→v9",
  citation: "David Hildenbrand on v8 01/24, 16 June 2026; v7 cover letter, threat model",
  story:
    "In v7 and v8, kpkeys_restore_pkey_reg() takes a raw value, inlined or not. So does its variant without a barrier, which ends a lazy MMU section. If a saved value is overwritten in memory, it is written to the register unchecked.",
  fix: "An opaque state records whether a context was entered. leaveContext() accepts only states that enterContext() returned, each once.",
  detector: "attack",
  red: {
    run: callWith("__kpkeys_set_pkey_reg_nosync of contexts", (machine, value) => {
      createKpkeysV7(machine.container).setPkeyRegNosync(fromWords(value.high, value.low));
      machine.cpus.current.synchronise();
    }),
  },
  green: { run: leaveWithForgedState },
};

/** Compares the register after a lazy MMU section with its value before, and reads memory with it. */
function afterSection(machine: Machine, saved: Words): Finding {
  const { name, keys } = machine.get(PkeyRegister);
  const [before, after] = [wordsText(saved), wordsText(liveRegister(machine))];
  const { text, ...rights } = liveRights(machine, keys - 1);
  const data = linearAddress(machine, allocPage(machine));
  const { evidence, facts } = oopsIn(
    machine,
    () => {
      const { current } = machine.cpus;
      if (current.access(data.high, data.low, Access.READ, Privilege.KERNEL) === OK) return;
      throw new KernelFault(current, machine.get(ArchTools), "read of kernel data");
    },
    () => ({ evidence: "the kernel can read its data", facts: {} }),
  );
  return {
    seen: before !== after,
    evidence: [`before the section ${name} was ${before}, after it ${after}`, text, evidence].join("\n"),
    facts: { ...facts, register: { before, after }, rights },
  };
}

const invalWritten: Exhibit = {
  id: "reg-inval-written",
  title: "the end of a lazy MMU section wrote REG_INVAL to the register",
  series: "v8→v9",
  citation:
    "Hardened credentials RFC v2, patch 1 (equal writes skipped), over the lazy exit of v4 to v8; David Hildenbrand on v8 01/24",
  story:
    "Entering returns REG_INVAL, 0, if no write was needed. The end of a lazy MMU section writes the saved value without a check. 0 in POR_EL1 denies everything, and the kernel cannot read its own memory; 0 in IA32_PKRS denies nothing.",
  fix: "A state records whether a context was entered. Leaving a state that was not entered does nothing.",
  detector: "key register",
  red: {
    run({ machine, step }) {
      const v7 = createKpkeysV7(machine.container, { skipEqualWrites: true });
      step("a context is entered");
      v7.setContext("PGTABLES");
      const before = liveRegister(machine);
      step("a lazy MMU section begins inside: no write is needed");
      const saved = v7.setContext("PGTABLES");
      step(`the section ends, and writes the saved value: ${String(saved)}`);
      v7.setPkeyRegNosync(saved);
      machine.cpus.current.synchronise();
      return afterSection(machine, before);
    },
  },
  green: {
    run({ machine, step }) {
      const kpkeys = machine.get(Kpkeys);
      step("a context is entered");
      const outer = kpkeys.enterContext("PGTABLES");
      const before = liveRegister(machine);
      step("a lazy MMU section begins inside: no write is needed");
      const section = kpkeys.enterContext("PGTABLES");
      step("the section ends");
      kpkeys.leaveContextBeforeBarrier(section);
      machine.cpus.current.synchronise();
      const found = afterSection(machine, before);
      step("the context is left");
      kpkeys.leaveContext(outer);
      return found;
    },
  },
};

/** Enters and leaves DEFAULT with a register of 0. */
function enterAndLeaveWhenOpen(enterAndLeave: (machine: Machine) => string): (scene: Scene) => Finding {
  return ({ machine, step }) => {
    step("the register is 0: no key denies anything");
    machine.cpus.current.writePkeyRegister(0, 0);
    machine.cpus.current.synchronise();
    step("the context DEFAULT is entered and left");
    const before = registerText(0, 0);
    const saved = enterAndLeave(machine);
    const after = wordsText(liveRegister(machine));
    return {
      seen: after !== before,
      evidence: `${machine.get(PkeyRegister).name} was ${before}, ${saved}, is ${after} after leaving`,
      facts: { register: { before, after } },
    };
  };
}

const invalLegitimate: Exhibit = {
  id: "reg-inval-legitimate",
  title: "0 is a valid value of IA32_PKRS, and was not restored",
  series: "v8→v9",
  arches: ["x86-pks"],
  citation:
    "asm-generic/kpkeys.h of v6 to v8, KPKEYS_PKEY_REG_INVAL 0; SDM volume 3, Protection Keys: the bits of IA32_PKRS withhold rights",
  story:
    "The generic REG_INVAL is 0 because a register of 0 is assumed to deny everything. On x86 it allows everything. Code that runs with 0, enters a context and leaves it passes 0, which means that nothing is restored: it continues with the rights of the context.",
  fix: "A flag of the state, not a value of the register, records whether a value has to be restored.",
  detector: "key register",
  red: {
    run: enterAndLeaveWhenOpen((machine) => {
      const { setContext, restorePkeyReg } = createKpkeysV7(machine.container);
      const saved = setContext("DEFAULT");
      restorePkeyReg(saved);
      return `saved as ${String(saved)}`;
    }),
  },
  green: {
    run: enterAndLeaveWhenOpen((machine) => {
      const kpkeys = machine.get(Kpkeys);
      kpkeys.leaveContext(kpkeys.enterContext("DEFAULT"));
      return "saved in a state";
    }),
  },
};

/** Bugs in the values that the kpkeys API returns and accepts. */
export const API: readonly Exhibit[] = [callableRestore, restoreAnyValue, invalWritten, invalLegitimate];
