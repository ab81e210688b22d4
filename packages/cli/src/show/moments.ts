import { addressText, pkeyValueOf } from "@kpkeys/core";
import type { Machine } from "@kpkeys/kernel";
import { Kpkeys, Observers, PkeyRegister } from "@kpkeys/core/contracts";
import type { Observer, PkeyName, PkeyValue, WalkStep } from "@kpkeys/core/contracts";

/** The change of one key's rights by a write of the key register. */
export interface RightsChange {
  /** The key's number. */
  readonly pkey: number;
  /** The name that a feature registered; `null` for a key that no feature uses. */
  readonly name: PkeyName | null;
  /** Rights before the write. */
  readonly before: string;
  /** Rights after it. */
  readonly after: string;
}

/** One entry that the hardware walk read. */
export interface EntryRead {
  /** Linux's name of the table's level. */
  readonly level: string;
  /** Index of the entry in its table. */
  readonly index: number;
  /** The entry, 16 hexadecimal digits. */
  readonly entry: string;
  /** The type of the entry. */
  readonly type: WalkStep["type"];
}

/** One observed event, as plain data. */
export type Moment =
  | {
      /** A context was entered; `null` when one was left. */
      readonly kind: "context";
      /** The context's name. */
      readonly context: string | null;
    }
  | {
      /** The key register was written. */
      readonly kind: "register";
      /** The manual's name. */
      readonly name: string;
      /** Its value before, 16 hexadecimal digits. */
      readonly before: string;
      /** Its value after, likewise. */
      readonly after: string;
      /** The keys whose rights differ. */
      readonly changes: readonly RightsChange[];
    }
  | {
      /** A context synchronisation event (ISB). */
      readonly kind: "barrier";
    }
  | {
      /** A TLB miss: the hardware walk read these entries. */
      readonly kind: "walk";
      /** From the top level down. */
      readonly entries: readonly EntryRead[];
    };

/**
 * Runs an operation on a machine and records the events on its CPU.
 * @param machine - the booted machine
 * @param operation - the operation to record
 * @returns the operation's result, and the moments in their order
 */
export function recordMoments<T>(
  machine: Machine,
  operation: () => T,
): { readonly result: T; readonly moments: readonly Moment[] } {
  const moments: Moment[] = [];
  const detach = machine.get(Observers).attach(recorderOf(machine, moments));
  try {
    return { result: operation(), moments };
  } finally {
    detach();
  }
}

/** An observer that appends each event to a list. */
function recorderOf(machine: Machine, moments: Moment[]): Observer {
  const { current } = machine.cpus;
  let before = pkeyValueOf(current);
  let entries: EntryRead[] = [];
  return {
    context(_cpu, context) {
      moments.push({ kind: "context", context: context ?? null });
    },
    registerWrite(_cpu, high, low, ofFetches) {
      const after = ofFetches ? { ...before, fetch: { high, low } } : { ...before, high, low };
      moments.push({ kind: "register", ...registerWrite(machine, before, after, ofFetches) });
      before = after;
    },
    barrier() {
      moments.push({ kind: "barrier" });
    },
    walkStep(_cpu, { level, index, high, low, type }) {
      if (level === 0) {
        entries = [];
        moments.push({ kind: "walk", entries });
      }
      entries.push({ level: machine.levelNames[level]!, index, entry: addressText(high, low), type });
    },
  };
}

function registerWrite(
  machine: Machine,
  before: PkeyValue,
  after: PkeyValue,
  ofFetches: boolean,
): { name: string; before: string; after: string; changes: RightsChange[] } {
  const register = machine.get(PkeyRegister);
  const { pkeyNames } = machine.get(Kpkeys);
  const changes = Array.from({ length: register.keys }, (_, pkey) => ({
    pkey,
    name: pkeyNames.get(pkey) ?? null,
    before: register.rightsOf(before.high, before.low, pkey, before.fetch),
    after: register.rightsOf(after.high, after.low, pkey, after.fetch),
  })).filter((change) => change.before !== change.after);
  const text = (value: PkeyValue): string => {
    const { high, low } = ofFetches ? value.fetch! : value;
    return addressText(high, low);
  };
  const name = ofFetches ? register.fetchName! : register.name;
  return { name, before: text(before), after: text(after), changes };
}
