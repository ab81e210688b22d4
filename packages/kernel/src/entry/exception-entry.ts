import { inject, injectable, pkeyValueOf, updatePkeyValue, writePkeyValue } from "@kpkeys/core";
import { Cpus, ExtensionPoints, Kpkeys, LazyMmu, PkeyRegister } from "@kpkeys/core/contracts";
import type { PkeyValue } from "@kpkeys/core/contracts";
import { InitialPkeyRegister, Policies } from "../machine/tokens.js";
import type { KernelLazyMmu } from "../mm/lazy-mmu.js";
import type { KernelPolicies } from "../machine/policies.js";

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
  /**
   * The key registers saved by exceptions that have not returned, the innermost last: `pt_regs.por_el1`, or the auxiliary pt_regs of the
   * x86 series. Empty with policy `inherit`.
   */
  readonly saved: PkeyValue[] = [];
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
    @inject(InitialPkeyRegister) private readonly initial: PkeyValue,
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
    this.saved.push(pkeyValueOf(cpu));
    if (this.policy === "reset-lazy-paused") this.lazy.pauseForException();
    const writes = updatePkeyValue(cpu, this.initial);
    if (writes === 0) return;
    cpu.synchronise();
    this.counters.registerWrites += writes;
    if (this.needsBarrier) this.counters.barriers++;
  }

  /** Needs no barrier: the exception return is a context synchronisation event. */
  private restore(): void {
    if (this.policy === "reset-lazy-paused") this.lazy.resumeAfterException();
    this.counters.registerWrites += writePkeyValue(this.cpus.current, this.saved.pop()!);
  }
}
