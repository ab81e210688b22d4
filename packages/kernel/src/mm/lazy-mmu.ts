import { inject, injectable } from "@kpkeys/core";
import { Cpus, ExtensionPoints, Observers, PgtableArch } from "@kpkeys/core/contracts";
import type { ExtensionHandlers, LazyMmu } from "@kpkeys/core/contracts";

/** Lazy MMU state of a task: `task->lazy_mmu_state`, and the fields of thread_info that affect the mode. */
export interface LazyMmuState {
  /** Nesting depth of lazy MMU sections, 0 to 255. */
  enableCount: number;
  /** Nesting depth of pauses, 0 to 255. */
  pauseCount: number;
  /** Nesting depth of interrupts: the hardirq bits of preempt_count. */
  interruptDepth: number;
  /** Whether a barrier is deferred to the end of the section: TIF_LAZY_MMU_PENDING. */
  barrierPending: boolean;
  /** Return value of each feature's `lazyMmuEnter`, passed to its `lazyMmuLeave`. */
  readonly slots: number[];
}

/** The state of a new task. */
export function newLazyMmuState(): LazyMmuState {
  return { enableCount: 0, pauseCount: 0, interruptDepth: 0, barrierPending: false, slots: [] };
}

/** Maximum of the two counts, which are of type u8. */
const U8_MAX = 255;

/** Lazy MMU mode with mainline's nesting rules (include/linux/pgtable.h). */
@injectable()
export class KernelLazyMmu implements LazyMmu {
  /** Barriers emitted by the barrier rule of the setters. */
  barriers = 0;
  warnings = 0;
  private readonly enterHandlers: readonly ExtensionHandlers["lazyMmuEnter"][];
  private readonly leaveHandlers: readonly ExtensionHandlers["lazyMmuLeave"][];
  /** State of the current task of each CPU. */
  private readonly states: LazyMmuState[];
  /** 1 for each CPU whose task is in an active section. Cached, because every setter reads it. */
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
    this.updateActive(this.cpus.current.id, state);
    if (before === 0) this.enter(state);
  }

  disable(): void {
    const state = this.current;
    if (state.interruptDepth > 0 || state.pauseCount > 0) return;
    if (state.enableCount === 0) this.warnings++;
    state.enableCount = (state.enableCount - 1) & U8_MAX;
    this.updateActive(this.cpus.current.id, state);
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

  /** `irq_enter`: increments the interrupt depth. */
  enterInterrupt(): void {
    this.current.interruptDepth++;
    this.updateActive(this.cpus.current.id, this.current);
  }

  /** `irq_exit`: decrements the interrupt depth. */
  leaveInterrupt(): void {
    this.current.interruptDepth--;
    this.updateActive(this.cpus.current.id, this.current);
  }

  /** `queue_pte_barriers`: emits the barrier of a write, or defers it to the end of the section. */
  queueBarriers(): void {
    if (this.isActive()) this.current.barrierPending = true;
    else this.emitBarriers();
  }

  /** Pauses on exception entry, at any interrupt depth. */
  pauseForException(): void {
    const state = this.current;
    if (state.pauseCount === U8_MAX) this.warnings++;
    const before = state.pauseCount;
    state.pauseCount = (before + 1) & U8_MAX;
    this.updateActive(this.cpus.current.id, state);
    if (before === 0 && state.enableCount > 0) this.leave(state);
  }

  /** Resumes on exception return. */
  resumeAfterException(): void {
    const state = this.current;
    if (state.pauseCount === 0) this.warnings++;
    state.pauseCount = (state.pauseCount - 1) & U8_MAX;
    this.updateActive(this.cpus.current.id, state);
    if (state.pauseCount === 0 && state.enableCount > 0) this.enter(state);
  }

  /**
   * Installs the state of a CPU's next task.
   * @param cpu - number of the CPU
   * @param state - the state of the task
   */
  load(cpu: number, state: LazyMmuState): void {
    this.states[cpu] = state;
    this.updateActive(cpu, state);
  }

  /** State of the current task. */
  private get current(): LazyMmuState {
    return this.states[this.cpus.current.id]!;
  }

  private updateActive(cpu: number, { enableCount, pauseCount, interruptDepth }: LazyMmuState): void {
    this.active[cpu] = enableCount > 0 && pauseCount === 0 && interruptDepth === 0 ? 1 : 0;
  }

  private enter({ slots }: LazyMmuState): void {
    this.observers.current?.lazyMmu?.(this.cpus.current.id, true);
    for (let i = 0; i < this.enterHandlers.length; i++) slots[i] = this.enterHandlers[i]!();
  }

  /** Features leave before the flush, so that its barrier also synchronises their register writes. */
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
