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
 * A slot keeps what leaving needs; the sequence tells a state from all others that used its slot; `written` says whether entering
 * wrote the register, which leaving must then restore. Slot 0 is never given out: state 0 means that no context was entered.
 */
const SLOTS = 64;
const SLOT_MASK = SLOTS - 1;
const WRITTEN = SLOTS;
const NEXT_IN_SEQUENCE = 2 * SLOTS;

/** 2^32 divided by the golden ratio: multiples of it, modulo 2^32, are far apart. */
const SPREAD = 0x9e3779b1;

/** Switches made in this process: where the sequence of the next one begins. */
let switches = 0;

/**
 * Enters and leaves compiled contexts on the current CPU. Each machine of a process begins its sequence at another number, and each
 * slot too, so a state of another machine or a guessed number is rejected.
 */
export class ContextSwitch {
  private readonly saved = new Int32Array(2 * SLOTS);
  /** The state that holds each slot; its complement once it was left. */
  private readonly states: Int32Array;
  /** The free slots, the next one to be given out last. */
  private readonly free = Int32Array.from({ length: SLOT_MASK }, (_, place) => SLOT_MASK - place);
  private freeCount = SLOT_MASK;

  /**
   * @param arch - the architecture's part
   * @param observers - notified of contexts
   * @param cpus - gives the machine's CPUs; called only for a moment that is observed
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
   * @returns a state good for one {@link leave}
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
   * Leaves a context. States may come back in any order: a task may be switched away inside a context.
   * @param state - from {@link enter}, or the state that says that no context was entered
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
  return new KpkeysError("ERR_STATE_EXHAUSTED", `${SLOT_MASK} contexts are entered and not left`, {
    expected: "leaveContext for every state; a state was dropped somewhere",
  });
}

function foreign(state: KpkeysState): KpkeysError {
  return new KpkeysError("ERR_STATE_FOREIGN", `${String(state)} is not the state of a context that is entered`, {
    expected: "a state of this machine's enterContext or guards, not yet left",
  });
}
