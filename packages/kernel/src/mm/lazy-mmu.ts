import type { Cpus, ExtensionPoints, LazyMmu, PgtableArch } from "@kpkeys/core/contracts";

/** What a task remembers of lazy MMU mode: `task->lazy_mmu_state`, and the thread flag of pending barriers. */
export interface LazyMmuState {
  /** How deep the task is in nested sections. */
  enableCount: number;
  /** How often it is paused. */
  pauseCount: number;
  /** Whether barriers wait for the end of the section: TIF_LAZY_MMU_PENDING. */
  barrierPending: boolean;
  /** What each feature keeps between enter and leave. */
  readonly slots: number[];
}

/** A task's state before its first section. */
export function newLazyMmuState(): LazyMmuState {
  return { enableCount: 0, pauseCount: 0, barrierPending: false, slots: [] };
}

/** {@link LazyMmu} with what only the kernel needs. */
export interface KernelLazyMmu extends LazyMmu {
  /** Barriers that the setters' own rules emitted. */
  readonly barriers: number;
  /** How deep the current CPU is in interrupts. */
  interruptDepth: number;
  /** `queue_pte_barriers`: emits the barriers that follow a write, or leaves them to the end of the section. */
  queueBarriers(): void;
  /**
   * Makes a task's state the current one.
   * @param state - of the task that runs from now on
   */
  load(state: LazyMmuState): void;
}

/**
 * Makes lazy MMU mode by mainline's nesting rules.
 * @param cpus - whose current CPU emits barriers
 * @param arch - whether leaving may elide a barrier
 * @param extensions - the features told
 */
export function createLazyMmu(cpus: Cpus, arch: PgtableArch, extensions: ExtensionPoints): KernelLazyMmu {
  const enterHandlers = extensions.handlers("lazyMmuEnter");
  const leaveHandlers = extensions.handlers("lazyMmuLeave");
  let state = newLazyMmuState();

  function emitBarriers(): void {
    service.barriers++;
    cpus.current.synchronise();
  }

  function flush(): void {
    if (!state.barrierPending) return;
    state.barrierPending = false;
    emitBarriers();
  }

  function enter(): void {
    for (let i = 0; i < enterHandlers.length; i++) state.slots[i] = enterHandlers[i]!();
  }

  /** Features leave before the flush, so that its barrier can serve them too. */
  function leave(): void {
    const barrierFollows = state.barrierPending && arch.lazyLeaveElidesBarrier;
    for (let i = leaveHandlers.length - 1; i >= 0; i--) leaveHandlers[i]!(state.slots[i]!, barrierFollows);
    flush();
  }

  // Plain fields: an object literal with accessors is slow to use.
  const service: { -readonly [F in keyof KernelLazyMmu]: KernelLazyMmu[F] } = {
    interruptDepth: 0,
    barriers: 0,
    enable() {
      if (service.interruptDepth > 0 || state.pauseCount > 0) return;
      if (state.enableCount++ === 0) enter();
    },
    disable() {
      if (service.interruptDepth > 0 || state.pauseCount > 0) return;
      if (--state.enableCount === 0) leave();
      else flush();
    },
    pause() {
      if (service.interruptDepth > 0) return;
      if (state.pauseCount++ === 0 && state.enableCount > 0) leave();
    },
    resume() {
      if (service.interruptDepth > 0) return;
      if (--state.pauseCount === 0 && state.enableCount > 0) enter();
    },
    isActive: () => state.enableCount > 0 && state.pauseCount === 0 && service.interruptDepth === 0,
    queueBarriers() {
      if (service.isActive()) state.barrierPending = true;
      else emitBarriers();
    },
    load(next) {
      state = next;
    },
  };
  return service;
}
