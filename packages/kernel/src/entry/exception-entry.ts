import { inject, injectable } from "@kpkeys/core";
import { Cpus, ExtensionPoints, Kpkeys, LazyMmu, PkeyRegister } from "@kpkeys/core/contracts";
import type { Words } from "@kpkeys/core/contracts";
import { InitialPkeyRegister, Policies } from "../machine/tokens.js";
import type { KernelLazyMmu } from "../mm/lazy-mmu.js";
import type { KernelPolicies } from "../machine/policies.js";

/** The key register saved by an exception: `pt_regs.por_el1`, or the auxiliary pt_regs of the x86 series. */
export interface PtRegs {
  /** Bits 63 to 32. */
  high: number;
  /** Bits 31 to 0. */
  low: number;
}

/**
 * Exception entry from kernel mode, and return to it. Entry from user mode does not change the register: in user mode it has
 * its initial value.
 */
@injectable()
export class ExceptionEntry {
  /** See `Exceptions.counters`. */
  readonly counters: { entries: number; registerWrites: number; barriers: number } = {
    entries: 0,
    registerWrites: 0,
    barriers: 0,
  };
  /** Registers saved by exceptions that have not returned, the innermost last. Empty with policy `inherit`. */
  readonly saved: PtRegs[] = [];
  private readonly policy: Required<KernelPolicies>["exceptionEntry"];
  private readonly needsBarrier: boolean;
  private readonly onEntry: readonly (() => void)[];
  private readonly onExit: readonly (() => void)[];

  constructor(
    @inject(Cpus) private readonly cpus: Cpus,
    @inject(LazyMmu) private readonly lazy: KernelLazyMmu,
    @inject(ExtensionPoints) extensions: ExtensionPoints,
    @inject(Policies) policies: Required<KernelPolicies>,
    @inject(Kpkeys) kpkeys: Kpkeys,
    @inject(PkeyRegister) register: PkeyRegister,
    @inject(InitialPkeyRegister) private readonly initial: Words,
  ) {
    this.policy = kpkeys.supported() ? policies.exceptionEntry : "inherit";
    this.needsBarrier = register.synchronisation === "barrier";
    this.onEntry = extensions.handlers("exceptionEntry");
    this.onExit = extensions.handlers("exceptionExit");
  }

  /** Takes an exception on the current CPU. */
  enter(): void {
    this.counters.entries++;
    this.cpus.current.synchroniseByException();
    if (this.policy !== "inherit") this.saveAndReset();
    for (const handler of this.onEntry) handler();
  }

  /** Returns from the innermost exception on the current CPU. */
  leave(): void {
    for (const handler of this.onExit) handler();
    if (this.policy !== "inherit") this.restore();
    this.cpus.current.synchroniseByException();
  }

  /** Saves before it pauses lazy MMU mode: the pause may change the register, and the interrupted code needs the old value. */
  private saveAndReset(): void {
    const cpu = this.cpus.current;
    const { high, low } = this.initial;
    this.saved.push({ high: cpu.pkeyRegisterHigh, low: cpu.pkeyRegisterLow });
    if (this.policy === "reset-lazy-paused") this.lazy.pauseForException();
    if (cpu.pkeyRegisterHigh === high && cpu.pkeyRegisterLow === low) return;
    cpu.writePkeyRegister(high, low);
    cpu.synchronise();
    this.counters.registerWrites++;
    if (this.needsBarrier) this.counters.barriers++;
  }

  /** Needs no barrier: the exception return is a context synchronisation event. */
  private restore(): void {
    if (this.policy === "reset-lazy-paused") this.lazy.resumeAfterException();
    const { high, low } = this.saved.pop()!;
    this.cpus.current.writePkeyRegister(high, low);
    this.counters.registerWrites++;
  }
}
