import { inject, injectable } from "@kpkeys/core";
import { Cpus, ExtensionPoints, Observers, PgtableArch } from "@kpkeys/core/contracts";
import type { ExtensionHandlers, LazyMmu } from "@kpkeys/core/contracts";

/** What a task remembers of lazy MMU mode: `task->lazy_mmu_state`, and what else of its thread_info decides. */
export interface LazyMmuState {
  /** How deep the task is in nested sections, 0 to 255. */
  enableCount: number;
  /** How often it is paused, 0 to 255. */
  pauseCount: number;
  /** How deep it is in interrupts: the hardirq part of preempt_count. */
  interruptDepth: number;
  /** Whether barriers wait for the end of the section: TIF_LAZY_MMU_PENDING. */
  barrierPending: boolean;
  /** What each feature keeps between enter and leave. */
  readonly slots: number[];
}

/** A task's state before its first section. */
export function newLazyMmuState(): LazyMmuState {
  return { enableCount: 0, pauseCount: 0, interruptDepth: 0, barrierPending: false, slots: [] };
}

/** The largest value of the two counts, which are bytes. */
const U8_MAX = 255;

/** Lazy MMU mode by mainline's nesting rules (include/linux/pgtable.h). */
@injectable()
export class KernelLazyMmu implements LazyMmu {
  /** Barriers that the setters' own rules emitted. */
  barriers = 0;
  warnings = 0;
  private readonly enterHandlers: readonly ExtensionHandlers["lazyMmuEnter"][];
  private readonly leaveHandlers: readonly ExtensionHandlers["lazyMmuLeave"][];
  /** State of the task on each CPU. */
  private readonly states: LazyMmuState[];
  /** 1 for each CPU whose task is in a section, not paused and not in interrupt: updated with the counts, because every setter asks. */
  private readonly active: Int32Array;

  constructor(
    @inject(Cpus) private readonly cpus: Cpus,
    @inject(PgtableArch) private readonly arch: PgtableArch,
    @inject(ExtensionPoints) extensions: ExtensionPoints,
    @inject(Observers) private readonly observers: Observers,
  ) {
    this.enterHandlers = extensions.handlers("lazyMmuEnter");
    this.leaveHandlers = extensions.handlers("lazyMmuLeave");
    this.states = cpus.all.map(newLazyMmuState);
    this.active = new Int32Array(Math.max(64, cpus.all.length));
  }

  enable(): void {
    const state = this.current;
    if (state.interruptDepth > 0 || state.pauseCount > 0) return;
    if (state.enableCount === U8_MAX) this.warnings++;
    const before = state.enableCount;
    state.enableCount = (before + 1) & U8_MAX;
    this.note(this.cpus.current.id, state);
    if (before === 0) this.enter(state);
  }

  disable(): void {
    const state = this.current;
    if (state.interruptDepth > 0 || state.pauseCount > 0) return;
    if (state.enableCount === 0) this.warnings++;
    state.enableCount = (state.enableCount - 1) & U8_MAX;
    this.note(this.cpus.current.id, state);
    if (state.enableCount === 0) this.leave(state);
    else this.flush(state);
  }

  pause(): void {
    if (!this.inInterrupt()) this.pauseForException();
  }

  resume(): void {
    if (!this.inInterrupt()) this.resumeAfterException();
  }

  isActive(): boolean {
    return this.active[this.cpus.current.id] !== 0;
  }

  isEnabled(): boolean {
    return this.current.enableCount > 0 && this.current.pauseCount === 0;
  }

  /** Whether the task on the current CPU is in interrupt. */
  inInterrupt(): boolean {
    return this.current.interruptDepth > 0;
  }

  /** `irq_enter`: the task on the current CPU is one deeper in interrupts. */
  enterInterrupt(): void {
    this.current.interruptDepth++;
    this.note(this.cpus.current.id, this.current);
  }

  /** `irq_exit`: it is one less deep. */
  leaveInterrupt(): void {
    this.current.interruptDepth--;
    this.note(this.cpus.current.id, this.current);
  }

  /** `queue_pte_barriers`: emits the barriers that follow a write, or leaves them to the end of the section. */
  queueBarriers(): void {
    if (this.isActive()) this.current.barrierPending = true;
    else this.emitBarriers();
  }

  /** Pauses whatever the interrupt depth: for an exception that is being taken. */
  pauseForException(): void {
    const state = this.current;
    if (state.pauseCount === U8_MAX) this.warnings++;
    const before = state.pauseCount;
    state.pauseCount = (before + 1) & U8_MAX;
    this.note(this.cpus.current.id, state);
    if (before === 0 && state.enableCount > 0) this.leave(state);
  }

  /** Ends {@link pauseForException}: for the exception that returns. */
  resumeAfterException(): void {
    const state = this.current;
    if (state.pauseCount === 0) this.warnings++;
    state.pauseCount = (state.pauseCount - 1) & U8_MAX;
    this.note(this.cpus.current.id, state);
    if (state.pauseCount === 0 && state.enableCount > 0) this.enter(state);
  }

  /**
   * Makes a task's state the one of a CPU.
   * @param cpu - number of the CPU
   * @param state - of the task that runs there from now on
   */
  load(cpu: number, state: LazyMmuState): void {
    this.states[cpu] = state;
    this.note(cpu, state);
  }

  /** State of the task on the current CPU. */
  private get current(): LazyMmuState {
    return this.states[this.cpus.current.id]!;
  }

  private note(cpu: number, { enableCount, pauseCount, interruptDepth }: LazyMmuState): void {
    this.active[cpu] = enableCount > 0 && pauseCount === 0 && interruptDepth === 0 ? 1 : 0;
  }

  private enter({ slots }: LazyMmuState): void {
    this.observers.current?.lazyMmu?.(this.cpus.current.id, true);
    for (let i = 0; i < this.enterHandlers.length; i++) slots[i] = this.enterHandlers[i]!();
  }

  /** Features leave before the flush, so that its barrier can serve them too. */
  private leave(state: LazyMmuState): void {
    const barrierFollows = state.barrierPending && this.arch.lazyLeaveElidesBarrier;
    for (let i = this.leaveHandlers.length - 1; i >= 0; i--) this.leaveHandlers[i]!(state.slots[i]!, barrierFollows);
    this.flush(state);
    this.observers.current?.lazyMmu?.(this.cpus.current.id, false);
  }

  private flush(state: LazyMmuState): void {
    if (!state.barrierPending) return;
    state.barrierPending = false;
    this.emitBarriers();
  }

  private emitBarriers(): void {
    this.barriers++;
    this.cpus.current.synchronise();
  }
}
