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

/** Stores of an attack that went through, of one source, level and mapping. */
export interface AttackGap {
  /** Where the table pages came from, or what a feature calls its objects. */
  readonly source: string;
  /** Linux's name of the tables' level; `object` for what is no table. */
  readonly level: string;
  /** Which mapping let them through: the linear map, or another one of the kernel's. */
  readonly mapping: "linear" | "other";
  /** Number of stores. */
  stores: number;
  /** The first address written, 16 hexadecimal digits. */
  readonly address: string;
}

/** Numbers of stores. */
export interface AttackCount {
  /** Stores through mappings that are writable but for a key: with a hardening or without, the same number. */
  tried: number;
  /** How many of them faulted. */
  blocked: number;
}

/** What an attack achieved. */
export interface AttackResult extends Readonly<AttackCount> {
  /** The same by where the table pages came from, or by what a feature calls its objects. */
  readonly bySource: Readonly<Record<string, Readonly<AttackCount>>>;
  /** Stores that faulted because the mapping is read-only for everybody, whatever the hardening; not among those tried. */
  readonly readOnly: number;
  /** All stores that went through; empty when everything is protected. */
  readonly gaps: readonly AttackGap[];
}

/** A machine that has booted, as far as attacks need it. */
export type MachineUnderAttack = Pick<Machine, "get" | "scanObjects">;

/** A mapping of something that should be protected. */
interface Target {
  readonly source: string;
  readonly level: string;
  readonly pfn: number;
  readonly high: number;
  readonly low: number;
  readonly writable: boolean;
  /** Indices of the 64-bit words of the page that are written. */
  readonly words: readonly number[];
}

/**
 * What an attacker with a write primitive does: stores the value already there to the first, middle and last entry of every
 * table page (unless the features protect other things alone) and of every object that a feature says it protects, through every alias
 * that a mapping gives it, in the DEFAULT context. Nothing changes even where a store goes through.
 *
 * It does not show that the setters cannot be misused: whoever chooses the arguments of set_pte() needs no store of his own.
 *
 * @param machine - the machine under attack
 * @param tables - its table pages with all their mappings, from `Machine.scan`
 * @returns what was blocked and what went through
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

  function wentThrough({ source, level }: Target, high: number, low: number): void {
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
      if (errno === 0) wentThrough(target, high, low);
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
  return tables.flatMap(({ pfn, level, source, aliases }) => {
    const { name, indexBits } = levels[level]!;
    const words = firstMiddleLast(0, 2 ** indexBits);
    return aliases.map(({ page, writable }) => {
      return { source, level: name, pfn, ...wordsOf(page, pageShift), writable, words };
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

/** Each once: a small object has fewer than three words. */
function firstMiddleLast(first: number, count: number): readonly number[] {
  return [...new Set([first, first + (count >> 1), first + count - 1])];
}
