import { takePage, takeTable } from "../setup.js";
import { fromWords, KpkeysError, registerText } from "@kpkeys/core";
import { Access, ArchTools, Kpkeys, OK, PkeyRegister, Privilege } from "@kpkeys/core/contracts";
import type { KpkeysState, Words } from "@kpkeys/core/contracts";
import { KernelFault } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { createKpkeysV6 } from "../dialects/v6.js";
import { createKpkeysV7 } from "../dialects/v7.js";
import { linearAddress, liveRightsText, strayStore } from "../evidence.js";
import type { Exhibit, Finding, Scene } from "../exhibit.js";
import { openValue } from "../pgtables.js";

/** The register of the current CPU. */
function live({ cpus: { current } }: Machine): Words {
  return { high: current.pkeyRegisterHigh, low: current.pkeyRegisterLow };
}

const wordsText = ({ high, low }: Words): string => registerText(high, low);

/**
 * An attacker without code of his own has a function pointer called with an argument that he chose: the value under which page
 * tables are writable.
 */
function callWith(name: string, call: (machine: Machine, value: Words) => void): (scene: Scene) => Finding {
  return ({ machine, step }) => {
    const target = takeTable(machine, "kernel");
    const value = openValue(machine);
    step(`${name} is called with ${wordsText(value)}`);
    const refusal = refusalOf(() => {
      call(machine, value);
    });
    step("a stray store to a table page");
    const store = strayStore(machine, target, "stray store");
    return {
      seen: refusal === undefined || store.seen,
      evidence: `${name}(${wordsText(value)}): ${refusal ?? "taken"}\n${store.evidence}`,
    };
  };
}

/** Why a call was refused; `undefined` when it was not. */
function refusalOf(call: () => void): string | undefined {
  try {
    call();
  } catch (error) {
    if (error instanceof KpkeysError && error.code === "ERR_STATE_FOREIGN") return error.message;
    throw error;
  }
  return undefined;
}

const leaveWithForgedState = callWith("kpkeys_leave_context", (machine, { low }) => {
  machine.get(Kpkeys).leaveContext(low as KpkeysState);
});

const callableRestore: Exhibit = {
  id: "callable-restore",
  title: "a function that sets the key register to its argument could be called",
  series: "v3→v4",
  citation: "RFC v4 changelog, patches 1 and 5: always inline, suggested by Maxwell Bland",
  story:
    "kpkeys_restore_pkey_reg() writes the register value that it is handed. As a function with an address it is all that an attacker needs who can make one call with one argument: every key is open after it.",
  fix: "v4 has it always inlined, so that there is nothing to call. Here the API takes the states alone that it gave out itself, and refuses all else.",
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
  title: "the API handed out register values, and took back any",
  series: "v8→v9",
  citation: "David Hildenbrand on v8 01/24, 16 June 2026; v7 cover letter, threat model",
  story:
    "Inlined or not, restoring is a function of a raw value in v7 and v8, and so is its form without a barrier, which leaves a lazy section: a saved value that was overwritten in memory goes into the register as it is.",
  fix: "An opaque state says whether a context was entered, and leaving accepts the states that are its own and not yet consumed.",
  detector: "attack",
  red: {
    run: callWith("__kpkeys_set_pkey_reg_nosync of contexts", (machine, value) => {
      createKpkeysV7(machine.container).setPkeyRegNosync(fromWords(value.high, value.low));
      machine.cpus.current.synchronise();
    }),
  },
  green: { run: leaveWithForgedState },
};

/** Whether a lazy section has left the register as it found it, and what follows if not. */
function afterSection(machine: Machine, before: Words): Finding {
  const { name, keys } = machine.get(PkeyRegister);
  const now = live(machine);
  const lines = [
    `before the section ${name} was ${wordsText(before)}, after it ${wordsText(now)}`,
    liveRightsText(machine, keys - 1),
  ];
  const { current } = machine.cpus;
  const data = linearAddress(machine, takePage(machine));
  if (current.access(data.high, data.low, Access.READ, Privilege.KERNEL) !== OK) {
    lines.push(new KernelFault(current, machine.get(ArchTools), "a read of the kernel's own data").message);
  }
  return { seen: wordsText(now) !== wordsText(before), evidence: lines.join("\n") };
}

const invalWritten: Exhibit = {
  id: "reg-inval-written",
  title: "REG_INVAL was written into the register at the end of a lazy section",
  series: "v8→v9",
  citation:
    "Hardened credentials RFC v2, patch 1 (equal writes skipped), over the lazy exit of v4 to v8; David Hildenbrand on v8 01/24",
  story:
    "Entering returns REG_INVAL, 0, when nothing had to be written. The end of a lazy section writes what its beginning saved without asking: 0 in POR_EL1 withholds everything, and the kernel cannot read its own memory; 0 in IA32_PKRS withholds nothing.",
  fix: "A state says whether a context was entered; leaving one that was not does nothing.",
  detector: "key register",
  red: {
    run({ machine, step }) {
      const v7 = createKpkeysV7(machine.container, { skipEqualWrites: true });
      step("a context is entered");
      v7.setContext("PGTABLES");
      const before = live(machine);
      step("a lazy section begins inside: nothing is to be written");
      const saved = v7.setContext("PGTABLES");
      step(`the section ends, and writes what it saved: ${String(saved)}`);
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
      const before = live(machine);
      step("a lazy section begins inside: nothing is to be written");
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

/** Enters DEFAULT where everything is open, and leaves it again. */
function enterAndLeaveWhenOpen(enterAndLeave: (machine: Machine) => string): (scene: Scene) => Finding {
  return ({ machine, step }) => {
    step("the register is 0: no key withholds anything");
    machine.cpus.current.writePkeyRegister(0, 0);
    machine.cpus.current.synchronise();
    step("the context DEFAULT is entered and left");
    const saved = enterAndLeave(machine);
    const { high, low } = live(machine);
    return {
      seen: (high | low) !== 0,
      evidence: `${machine.get(PkeyRegister).name} was ${registerText(0, 0)}, ${saved}, is ${registerText(high, low)} after leaving`,
    };
  };
}

const invalLegitimate: Exhibit = {
  id: "reg-inval-legitimate",
  title: "0 is a value that IA32_PKRS may have, and was not restored",
  series: "v8→v9",
  arches: ["x86-pks"],
  citation:
    "asm-generic/kpkeys.h of v6 to v8, KPKEYS_PKEY_REG_INVAL 0; SDM volume 3, Protection Keys: the bits of IA32_PKRS withhold rights",
  story:
    "The generic REG_INVAL is 0 because a register of 0 is taken to deny everything. On x86 it allows everything: code that runs with it, enters a context and leaves it again hands over 0, which means that there is nothing to restore, and goes on with the rights of the context.",
  fix: "Whether there is something to restore is a flag of the state, not a value of the register.",
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

/** What the kpkeys API hands around. */
export const API: readonly Exhibit[] = [callableRestore, restoreAnyValue, invalWritten, invalLegitimate];
