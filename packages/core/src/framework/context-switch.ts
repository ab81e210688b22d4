import { NOT_ENTERED } from "../contracts/index.js";
import type { CompiledContext, Cpus, KpkeysArch, KpkeysState, Observers } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

/**
 * A {@link KpkeysState}:
 *
 * ```text
 *  31                       7  6        5       0
 *  sequence (wraps around)     written  slot
 * ```
 * A slot holds the register values that leaving restores. The sequence is different for each use of the slot. `written` is set if
 * entering wrote the register, so that leaving restores it. Slot 0 is not used: state 0 means that no context was entered.
 */
const SLOTS = 64;
const SLOT_MASK = SLOTS - 1;
const WRITTEN = SLOTS;
const NEXT_IN_SEQUENCE = 2 * SLOTS;

/** 2^32 divided by the golden ratio: multiples of it, modulo 2^32, are far apart. */
const SPREAD = 0x9e3779b1;

/** Number of instances made in this process: the start of the next one's sequence. */
let switches = 0;

/**
 * Enters and leaves compiled contexts on the current CPU. The sequences of all machines and slots start at different numbers, so the
 * state of another machine and a guessed number are rejected.
 */
export class ContextSwitch {
  private readonly saved = new Int32Array(4 * SLOTS);
  /** The state of each slot; its complement after the context was left. */
  private readonly states: Int32Array;
  /** The free slots; the next one to allocate is the last. */
  private readonly free = Int32Array.from({ length: SLOT_MASK }, (_, place) => SLOT_MASK - place);
  private freeCount = SLOT_MASK;

  /**
   * @param arch - the architecture's part
   * @param observers - notified of contexts
   * @param cpus - returns the machine's CPUs; called only if there is an observer
   */
  constructor(
    private readonly arch: KpkeysArch,
    private readonly observers: Observers,
    private readonly cpus: () => Cpus,
  ) {
    const first = switches++ * SLOTS;
    this.states = new Int32Array(SLOTS).map((_, slot) => ~((Math.imul(first + slot + 1, SPREAD) & ~SLOT_MASK) | slot));
  }

  /**
   * Enters a context.
   * @param context - a compiled context
   * @returns a state for exactly one {@link leave}
   * @throws KpkeysError ERR_STATE_EXHAUSTED
   */
  enter(context: CompiledContext): KpkeysState {
    if (this.freeCount === 0) throw exhausted();
    const slot = this.free[--this.freeCount]!;
    const next = (~this.states[slot]! + NEXT_IN_SEQUENCE) & ~WRITTEN;
    const state = this.arch.enterContext(context, this.saved, slot) ? next | WRITTEN : next;
    this.states[slot] = state;
    const { current } = this.observers;
    if (current !== undefined) current.context?.(this.cpus().current.id, context.name);
    return state as KpkeysState;
  }

  /**
   * Leaves a context. Contexts can be left in any order, because a task switch can happen inside a context.
   * @param state - from {@link enter}, or {@link NOT_ENTERED}
   * @param barrierFollows - whether the caller's next step is a barrier that synchronises
   * @throws KpkeysError ERR_STATE_FOREIGN
   */
  leave(state: KpkeysState, barrierFollows: boolean): void {
    if (state === NOT_ENTERED) return;
    const slot = state & SLOT_MASK;
    if (this.states[slot] !== state) throw foreign(state);
    this.states[slot] = ~state;
    this.free[this.freeCount++] = slot;
    if ((state & WRITTEN) !== 0) this.arch.leaveContext(this.saved, slot, barrierFollows);
    const { current } = this.observers;
    if (current !== undefined) current.context?.(this.cpus().current.id, undefined);
  }
}

function exhausted(): KpkeysError {
  return new KpkeysError("ERR_STATE_EXHAUSTED", `cannot enter another context: ${SLOT_MASK} are entered and not left`, {
    advice: "call leaveContext() for every state",
  });
}

function foreign(state: KpkeysState): KpkeysError {
  return new KpkeysError("ERR_STATE_FOREIGN", `${String(state)} is not the state of a context that is entered`, {
    expected: "a state of this machine's enterContext() or guards, left once",
  });
}
