import type { CompiledContext, ContextName, KpkeysArch, KpkeysState } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

/**
 * ```text
 *  31                       7  6        5       0
 *  sequence (wraps around)     written  slot
 * ```
 * A slot keeps what leaving needs; the sequence tells a state from all others that used its slot; `written` says whether entering
 * wrote the register, which leaving must then restore. Slot 0 is never given out, so that 0 is no state but the mark of "no context
 * was entered".
 */
const SLOTS = 64;
const SLOT_MASK = SLOTS - 1;
const WRITTEN = SLOTS;
const NEXT_IN_SEQUENCE = 2 * SLOTS;

/** The state of no context entered; leaving takes it and does nothing. */
const NOT_ENTERED = 0 as KpkeysState;

/** 2^32 divided by the golden ratio: multiples of it, modulo 2^32, lie far apart. */
const SPREAD = 0x9e3779b1;

/** Switches made in this process: where the sequence of the next one begins. */
let switches = 0;

/** Enters and leaves compiled contexts, and keeps what leaving needs. */
export interface ContextSwitch {
  /**
   * Enters a context on the current CPU.
   * @param context - a compiled context
   * @returns a state good for one {@link leave}
   * @throws KpkeysError ERR_STATE_EXHAUSTED
   */
  readonly enter: (context: CompiledContext) => KpkeysState;
  /**
   * Leaves a context on the current CPU. States need not come back in the order in which they were made: a task may be
   * switched away inside a context.
   * @param state - what {@link enter} gave, or 0
   * @throws KpkeysError ERR_STATE_FOREIGN
   */
  readonly leave: (state: KpkeysState) => void;
  /**
   * Leaves a context when a barrier that synchronises is the next thing to come.
   * @param state - as in {@link leave}
   * @throws KpkeysError ERR_STATE_FOREIGN
   */
  readonly leaveBeforeBarrier: (state: KpkeysState) => void;
}

/**
 * Makes the switch of one machine. Each machine of a process begins its sequence elsewhere, and each slot too, so that a state of another
 * machine or a guessed number is refused; the same process always begins alike.
 *
 * @param arch - gives the architecture's part, always the same; asked when a context is first entered
 * @param onContext - told of each context entered, and with `undefined` of each left, if anybody listens
 * @returns no context entered
 */
export function createContextSwitch(
  arch: () => KpkeysArch,
  onContext?: (context: ContextName | undefined) => void,
): ContextSwitch {
  const isHeard = onContext !== undefined;
  const saved = new Int32Array(2 * SLOTS);
  /** The state that holds each slot; its complement once it was left. */
  const first = switches++ * SLOTS;
  const states = new Int32Array(SLOTS).map((_, slot) => ~((Math.imul(first + slot + 1, SPREAD) & ~SLOT_MASK) | slot));
  /** How many slots are free, and behind that number which: an array because a closure's variable is loaded and checked each time. */
  const free = Int32Array.from({ length: SLOTS }, (_, place) => (place === 0 ? SLOT_MASK : SLOTS - place));

  function enter(context: CompiledContext): KpkeysState {
    const place = free[0]!;
    if (place === 0) throw exhausted();
    const slot = free[place]!;
    free[0] = place - 1;
    const next = (~states[slot]! + NEXT_IN_SEQUENCE) & ~WRITTEN;
    const state = arch().enterContext(context, saved, slot) ? next | WRITTEN : next;
    states[slot] = state;
    if (isHeard) onContext(context.name);
    return state as KpkeysState;
  }

  function release(state: KpkeysState, barrierFollows: boolean): void {
    const slot = state & SLOT_MASK;
    if (states[slot] !== state) throw foreign(state);
    states[slot] = ~state;
    const place = free[0]! + 1;
    free[0] = place;
    free[place] = slot;
    if ((state & WRITTEN) !== 0) arch().leaveContext(saved, slot, barrierFollows);
    if (isHeard) onContext(undefined);
  }

  return {
    enter,
    leave: (state) => {
      if (state !== NOT_ENTERED) release(state, false);
    },
    leaveBeforeBarrier: (state) => {
      if (state !== NOT_ENTERED) release(state, true);
    },
  };
}

function exhausted(): KpkeysError {
  return new KpkeysError("ERR_STATE_EXHAUSTED", `${SLOT_MASK} contexts are entered and not left`, {
    expected: "leaveContext for every state; a state was dropped somewhere",
  });
}

function foreign(state: KpkeysState): KpkeysError {
  return new KpkeysError("ERR_STATE_FOREIGN", `${String(state)} is no state of a context entered now`, {
    expected: "a state of this machine's enterContext or guards, not yet left",
  });
}
