import type { Cpus, ExtensionPoints, Words } from "@kpkeys/core/contracts";
import type { KernelLazyMmu } from "./mm/lazy-mmu.js";
import type { KernelPolicies } from "./policies.js";

/** The key register as an exception saved it: `pt_regs.por_el1`, or the auxiliary pt_regs of the x86 series. */
export interface PtRegs {
  /** Bits 63 to 32. */
  high: number;
  /** Bits 31 to 0. */
  low: number;
}

/** What the kernel does when an exception is taken from kernel mode, and when it returns. */
export interface ExceptionEntry {
  /** See `Exceptions.counters`. */
  readonly counters: { entries: number; registerWrites: number; barriers: number };
  /** What the exceptions saved that have not returned yet, the innermost last; empty where handlers inherit the register. */
  readonly saved: readonly PtRegs[];
  /** An exception is taken on the current CPU. */
  enter(): void;
  /** The exception taken last returns on the current CPU. */
  leave(): void;
}

/** What {@link createExceptionEntry} is made with. */
export interface ExceptionEntryParts {
  /** The CPUs. */
  readonly cpus: Cpus;
  /** What is paused, by one of the policies. */
  readonly lazy: KernelLazyMmu;
  /** The features told. */
  readonly extensions: ExtensionPoints;
  /** What becomes of the register. */
  readonly policy: Required<KernelPolicies>["exceptionEntry"];
  /** Its initial value. */
  readonly initial: Words;
  /** Whether a write of the register needs a barrier. */
  readonly needsBarrier: boolean;
}

/**
 * Makes entry from kernel mode and return to it. Entry from user mode does nothing to the register: a thread has the initial
 * value there.
 * @param parts - what it is made with
 */
export function createExceptionEntry(parts: ExceptionEntryParts): ExceptionEntry {
  const { cpus, lazy, extensions, policy, initial, needsBarrier } = parts;
  const onEntry = extensions.handlers("exceptionEntry");
  const onExit = extensions.handlers("exceptionExit");
  const counters = { entries: 0, registerWrites: 0, barriers: 0 };
  const saved: PtRegs[] = [];

  /** Saves first: what pausing makes of the register is not what the interrupted code goes on with. */
  function saveAndReset(): void {
    const cpu = cpus.current;
    saved.push({ high: cpu.pkeyRegisterHigh, low: cpu.pkeyRegisterLow });
    if (policy === "reset-lazy-paused") lazy.pauseForException();
    if (cpu.pkeyRegisterHigh === initial.high && cpu.pkeyRegisterLow === initial.low) return;
    cpu.writePkeyRegister(initial.high, initial.low);
    cpu.synchronise();
    counters.registerWrites++;
    if (needsBarrier) counters.barriers++;
  }

  /** Needs no barrier: the return is one. */
  function restore(): void {
    if (policy === "reset-lazy-paused") lazy.resumeAfterException();
    const { high, low } = saved.pop()!;
    cpus.current.writePkeyRegister(high, low);
    counters.registerWrites++;
  }

  return {
    counters,
    saved,
    enter() {
      counters.entries++;
      cpus.current.synchroniseByException();
      if (policy !== "inherit") saveAndReset();
      for (const handler of onEntry) handler();
    },
    leave() {
      for (const handler of onExit) handler();
      if (policy !== "inherit") restore();
      cpus.current.synchroniseByException();
    },
  };
}
