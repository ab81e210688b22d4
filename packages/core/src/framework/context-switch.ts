import type { CompiledContext, ContextName, KpkeysArch, KpkeysState } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

/**
 * ```text
 *  31                              6 5       0
 *  sequence (26 bits, wraps around)  slot
 * ```
 * A slot keeps what leaving needs; the sequence tells a state from all others that used its slot. Slot 0 is never given out,
 * so that 0 is no state but the mark of "no context was entered".
 */
const SLOTS = 64;
const SLOT_MASK = SLOTS - 1;

/** Places of what is counted: slots that are free, and the sequence. */
const FREE = 0;
const SEQUENCE = 1;

/** The state of no context entered; leaving takes it and does nothing. */
const NOT_ENTERED = 0 as KpkeysState;

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
 * Makes the switch of one machine. Its sequence starts at random, as a stack canary does, so that a state of another machine
 * or a guessed number is refused.
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
  /** The state that holds a slot, 0 while it is free. */
  const holder = new Int32Array(SLOTS);
  /** Whether entering changed anything that leaving must restore. */
  const entered = new Int32Array(SLOTS);
  const freeSlots = Int32Array.from({ length: SLOT_MASK }, (_, index) => SLOT_MASK - index);
  // In an array, as all that changes: the compiler loads and checks a variable of a closure each time.
  const counts = new Int32Array(SLOTS);
  counts[FREE] = SLOT_MASK;
  counts[SEQUENCE] = Math.floor(Math.random() * 2 ** 32) & ~SLOT_MASK;

  function enter(context: CompiledContext): KpkeysState {
    const free = counts[FREE]! - 1;
    if (free < 0) throw exhausted();
    counts[FREE] = free;
    const slot = freeSlots[free]!;
    entered[slot] = arch().enterContext(context, saved, slot) ? 1 : 0;
    const sequence = (counts[SEQUENCE]! + SLOTS) | 0;
    counts[SEQUENCE] = sequence;
    const state = sequence | slot;
    holder[slot] = state;
    if (isHeard) onContext(context.name);
    return state as KpkeysState;
  }

  function release(state: KpkeysState, barrierFollows: boolean): void {
    if (state === NOT_ENTERED) return;
    const slot = state & SLOT_MASK;
    if (holder[slot] !== state) throw foreign(state);
    holder[slot] = NOT_ENTERED;
    const free = counts[FREE]!;
    freeSlots[free] = slot;
    counts[FREE] = free + 1;
    if (entered[slot] === 1) arch().leaveContext(saved, slot, barrierFollows);
    if (isHeard) onContext(undefined);
  }

  return {
    enter,
    leave: (state) => {
      release(state, false);
    },
    leaveBeforeBarrier: (state) => {
      release(state, true);
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
