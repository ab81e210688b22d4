import type { Cpus, ExtensionPoints, LazyMmu, Observer, PgtableArch } from "@kpkeys/core/contracts";

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

/** {@link LazyMmu} with what only the kernel needs. */
export interface KernelLazyMmu extends LazyMmu {
  /** Barriers that the setters' own rules emitted. */
  readonly barriers: number;
  /** Whether the task on the current CPU is in interrupt. */
  inInterrupt(): boolean;
  /** `irq_enter`: the task on the current CPU is one deeper in interrupts. */
  enterInterrupt(): void;
  /** `irq_exit`: it is one less deep. */
  leaveInterrupt(): void;
  /** `queue_pte_barriers`: emits the barriers that follow a write, or leaves them to the end of the section. */
  queueBarriers(): void;
  /** Pauses whatever the interrupt depth: for an exception that is being taken. */
  pauseForException(): void;
  /** Ends {@link pauseForException}: for the exception that returns. */
  resumeAfterException(): void;
  /**
   * Makes a task's state the one of a CPU.
   * @param cpu - number of the CPU
   * @param state - of the task that runs there from now on
   */
  load(cpu: number, state: LazyMmuState): void;
}

/**
 * Makes lazy MMU mode by mainline's nesting rules (include/linux/pgtable.h).
 * @param cpus - whose current CPU emits barriers
 * @param arch - whether leaving may elide a barrier
 * @param extensions - the features told
 * @param observer - told of sections, if there is one
 */
export function createLazyMmu(
  cpus: Cpus,
  arch: PgtableArch,
  extensions: ExtensionPoints,
  observer: Observer | undefined,
): KernelLazyMmu {
  const enterHandlers = extensions.handlers("lazyMmuEnter");
  const leaveHandlers = extensions.handlers("lazyMmuLeave");
  /** State of the task on each CPU. */
  const states = cpus.all.map(newLazyMmuState);
  /** 1 for each CPU whose task is in a section, not paused and not in interrupt: kept up with the counts, because every setter asks. */
  const active = new Int32Array(Math.max(64, states.length));

  function note(cpu: number, { enableCount, pauseCount, interruptDepth }: LazyMmuState): void {
    active[cpu] = enableCount > 0 && pauseCount === 0 && interruptDepth === 0 ? 1 : 0;
  }

  function countsChanged(state: LazyMmuState): void {
    note(cpus.current.id, state);
  }

  function emitBarriers(): void {
    service.barriers++;
    cpus.current.synchronise();
  }

  function flush(state: LazyMmuState): void {
    if (!state.barrierPending) return;
    state.barrierPending = false;
    emitBarriers();
  }

  function enter({ slots }: LazyMmuState): void {
    observer?.lazyMmu?.(cpus.current.id, true);
    for (let i = 0; i < enterHandlers.length; i++) slots[i] = enterHandlers[i]!();
  }

  /** Features leave before the flush, so that its barrier can serve them too. */
  function leave(state: LazyMmuState): void {
    const barrierFollows = state.barrierPending && arch.lazyLeaveElidesBarrier;
    for (let i = leaveHandlers.length - 1; i >= 0; i--) leaveHandlers[i]!(state.slots[i]!, barrierFollows);
    flush(state);
    observer?.lazyMmu?.(cpus.current.id, false);
  }

  function pause(state: LazyMmuState): void {
    if (state.pauseCount === U8_MAX) service.warnings++;
    const before = state.pauseCount;
    state.pauseCount = (before + 1) & U8_MAX;
    countsChanged(state);
    if (before === 0 && state.enableCount > 0) leave(state);
  }

  function resume(state: LazyMmuState): void {
    if (state.pauseCount === 0) service.warnings++;
    state.pauseCount = (state.pauseCount - 1) & U8_MAX;
    countsChanged(state);
    if (state.pauseCount === 0 && state.enableCount > 0) enter(state);
  }

  // Plain fields: an object literal with accessors is slow to use.
  const service: { -readonly [F in keyof KernelLazyMmu]: KernelLazyMmu[F] } = {
    barriers: 0,
    warnings: 0,
    inInterrupt: () => states[cpus.current.id]!.interruptDepth > 0,
    enterInterrupt() {
      const state = states[cpus.current.id]!;
      state.interruptDepth++;
      countsChanged(state);
    },
    leaveInterrupt() {
      const state = states[cpus.current.id]!;
      state.interruptDepth--;
      countsChanged(state);
    },
    enable() {
      const state = states[cpus.current.id]!;
      if (state.interruptDepth > 0 || state.pauseCount > 0) return;
      if (state.enableCount === U8_MAX) service.warnings++;
      const before = state.enableCount;
      state.enableCount = (before + 1) & U8_MAX;
      countsChanged(state);
      if (before === 0) enter(state);
    },
    disable() {
      const state = states[cpus.current.id]!;
      if (state.interruptDepth > 0 || state.pauseCount > 0) return;
      if (state.enableCount === 0) service.warnings++;
      state.enableCount = (state.enableCount - 1) & U8_MAX;
      countsChanged(state);
      if (state.enableCount === 0) leave(state);
      else flush(state);
    },
    pause() {
      const state = states[cpus.current.id]!;
      if (state.interruptDepth === 0) pause(state);
    },
    resume() {
      const state = states[cpus.current.id]!;
      if (state.interruptDepth === 0) resume(state);
    },
    pauseForException() {
      pause(states[cpus.current.id]!);
    },
    resumeAfterException() {
      resume(states[cpus.current.id]!);
    },
    isActive() {
      return active[cpus.current.id] !== 0;
    },
    isEnabled() {
      const state = states[cpus.current.id]!;
      return state.enableCount > 0 && state.pauseCount === 0;
    },
    queueBarriers() {
      const { id } = cpus.current;
      if (active[id] !== 0) states[id]!.barrierPending = true;
      else emitBarriers();
    },
    load(cpu, state) {
      states[cpu] = state;
      note(cpu, state);
    },
  };
  return service;
}
