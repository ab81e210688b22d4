import { addressText, toBytes } from "@kpkeys/core";
import {
  Exceptions,
  Kpkeys,
  LinearMap,
  pageOf,
  PageTableFormat,
  PhysicalMemory,
  toPfn,
  wordsOf,
} from "@kpkeys/core/contracts";
import { expectsTables } from "@kpkeys/kernel";
import type { Machine, ScannedTable } from "@kpkeys/kernel";

/** Probe stores of one source, level and mapping that succeeded. */
export interface AttackGap {
  /** The source of the table pages, or the feature's name for its objects. */
  readonly source: string;
  /** Linux's name of the tables' level; `object` for an object. */
  readonly level: string;
  /** The mapping: the linear map, or another one of the kernel's. */
  readonly mapping: "linear" | "other";
  /** Number of the stores. */
  stores: number;
  /** The first address, 16 hexadecimal digits. */
  readonly address: string;
}

/** Numbers of probe stores. */
export interface AttackCount {
  /** Stores through mappings that are writable apart from the key: the same number with and without a hardening. */
  tried: number;
  /** Those of them that faulted. */
  blocked: number;
}

/** The result of the probe stores. */
export interface AttackResult extends Readonly<AttackCount> {
  /** The same numbers by the source of the table pages, or by the feature's name for its objects. */
  readonly bySource: Readonly<Record<string, Readonly<AttackCount>>>;
  /** Stores that faulted because the mapping itself is read-only. They are not included in `tried`. */
  readonly readOnly: number;
  /** The stores that succeeded; empty if everything is protected. */
  readonly gaps: readonly AttackGap[];
}

/** The members of a booted machine that {@link attack} uses. */
export type MachineUnderAttack = Pick<Machine, "get" | "scanObjects">;

/** A mapping of a table page or of an object that must be protected. */
interface Target {
  readonly source: string;
  readonly level: string;
  readonly pfn: number;
  readonly high: number;
  readonly low: number;
  readonly writable: boolean;
  /** Indices of the 64-bit words of the page to store to. */
  readonly words: readonly number[];
}

/**
 * Makes probe stores, as an attacker with a write primitive would: in the context DEFAULT, to the first, middle and last word of
 * every table page and of every protected object, through every mapping. Table pages are left out if the features of the machine
 * protect only objects. A probe store writes the value that is already there, so that nothing changes if it succeeds.
 *
 * The result does not show that setters cannot be misused: an attacker that controls the arguments of set_pte() needs no store.
 *
 * @param machine - the machine
 * @param tables - its table pages with all their mappings, from `Machine.scan`
 * @returns the numbers of blocked stores, and the stores that succeeded
 */
export function attack(machine: MachineUnderAttack, tables: readonly ScannedTable[]): AttackResult {
  const memory = machine.get(PhysicalMemory);
  const exceptions = machine.get(Exceptions);
  const kpkeys = machine.get(Kpkeys);
  const linearMap = machine.get(LinearMap);
  const gaps = new Map<string, AttackGap>();
  const total: AttackCount = { tried: 0, blocked: 0 };
  const bySource: Record<string, AttackCount> = {};
  let readOnly = 0;

  function addGap({ source, level }: Target, high: number, low: number): void {
    const mapping = linearMap.pfnOf(pageOf({ high, low }, memory.pageShift)) !== undefined ? "linear" : "other";
    const id = `${source} ${level} ${mapping}`;
    const gap = gaps.get(id);
    if (gap !== undefined) gap.stores++;
    else gaps.set(id, { source, level, mapping, stores: 1, address: addressText(high, low) });
  }

  const state = kpkeys.enterContext("DEFAULT");
  for (const target of [...tableTargets(machine, tables), ...objectTargets(machine)]) {
    const { source, pfn, high, writable } = target;
    const counts = [total, (bySource[source] ??= { tried: 0, blocked: 0 })];
    for (const word of target.words) {
      const low = target.low | (word * 8);
      const errno = exceptions.copyToKernelNofault({ high, low }, toBytes(memory.read(toPfn(pfn), word)));
      if (errno === 0) addGap(target, high, low);
      if (!writable && errno !== 0) {
        readOnly++;
        continue;
      }
      for (const count of counts) {
        count.tried++;
        if (errno !== 0) count.blocked++;
      }
    }
  }
  kpkeys.leaveContext(state);
  return { ...total, bySource, readOnly, gaps: [...gaps.values()] };
}

function tableTargets(machine: MachineUnderAttack, tables: readonly ScannedTable[]): Target[] {
  if (!expectsTables(machine)) return [];
  const { levels, pageShift } = machine.get(PageTableFormat).geometry;
  return tables.flatMap(({ pfn, first, entries, level, source, aliases }) => {
    const words = firstMiddleLast(first, entries);
    return aliases.map(({ page, writable }) => {
      return { source, level: levels[level]!.name, pfn, ...wordsOf(page, pageShift), writable, words };
    });
  });
}

function objectTargets(machine: MachineUnderAttack): Target[] {
  const { pageShift } = machine.get(PageTableFormat).geometry;
  return machine.scanObjects().flatMap(({ pfn, offset, size, source, aliases }) => {
    const words = firstMiddleLast(offset / 8, size / 8);
    return aliases.map(({ page, writable }) => {
      return { source, level: "object", pfn, ...wordsOf(page, pageShift), writable, words };
    });
  });
}

/** The indices without repetition: a small object has fewer than three words. */
function firstMiddleLast(first: number, count: number): readonly number[] {
  return [...new Set([first, first + (count >> 1), first + count - 1])];
}
