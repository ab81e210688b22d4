import { addressText } from "@kpkeys/core";
import type { Machine } from "@kpkeys/kernel";
import { Kpkeys, PkeyRegister } from "@kpkeys/core/contracts";
import type { Observer, PkeyName, WalkStep } from "@kpkeys/core/contracts";

/** What a write of the key register changes on one key. */
export interface RightsChange {
  /** The key's number. */
  readonly pkey: number;
  /** The name under which a feature registered it; `null` for a key without a feature. */
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
  /** What the walk takes the entry for. */
  readonly type: WalkStep["type"];
}

/** One thing that an observer saw, as plain data. */
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

/** Observes one machine while {@link MomentLog.during} runs. */
export interface MomentLog {
  /** To be given to the machine when it is built. */
  readonly observer: Observer;
  /**
   * Runs an operation and records what happens in it.
   * @param machine - the machine that {@link observer} was given to, booted
   * @param operation - what runs
   * @returns the operation's result, and the moments in their order
   */
  during<T>(machine: Machine, operation: () => T): { readonly result: T; readonly moments: readonly Moment[] };
}

/** Makes a log for one machine. Boot and what runs outside {@link MomentLog.during} is not recorded. */
export function createMomentLog(): MomentLog {
  let record: ((moment: Moment) => void) | undefined;
  let machine: Machine | undefined;
  let before: readonly [high: number, low: number] = [0, 0];
  let entries: EntryRead[] = [];

  const observer: Observer = {
    context(_cpu, context) {
      record?.({ kind: "context", context: context ?? null });
    },
    registerWrite(_cpu, high, low) {
      if (record === undefined || machine === undefined) return;
      record({ kind: "register", ...registerWrite(machine, before, [high, low]) });
      before = [high, low];
    },
    barrier() {
      record?.({ kind: "barrier" });
    },
    walkStep({ level, index, high, low, type }) {
      if (record === undefined || machine === undefined) return;
      if (level === 0) {
        entries = [];
        record({ kind: "walk", entries });
      }
      entries.push({ level: machine.levelNames[level]!, index, entry: addressText(high, low), type });
    },
  };

  return {
    observer,
    during(observed, operation) {
      const moments: Moment[] = [];
      const { current } = observed.cpus;
      machine = observed;
      before = [current.pkeyRegisterHigh, current.pkeyRegisterLow];
      record = (moment) => moments.push(moment);
      try {
        return { result: operation(), moments };
      } finally {
        record = undefined;
      }
    },
  };
}

function registerWrite(
  machine: Machine,
  before: readonly [high: number, low: number],
  after: readonly [high: number, low: number],
): { name: string; before: string; after: string; changes: RightsChange[] } {
  const register = machine.get(PkeyRegister);
  const { pkeyNames } = machine.get(Kpkeys);
  const changes = Array.from({ length: register.keys }, (_, pkey) => ({
    pkey,
    name: pkeyNames.get(pkey) ?? null,
    before: register.rightsOf(...before, pkey),
    after: register.rightsOf(...after, pkey),
  })).filter((change) => change.before !== change.after);
  return { name: register.name, before: addressText(...before), after: addressText(...after), changes };
}
