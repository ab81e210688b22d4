import { addressText, toBytes } from "@kpkeys/core";
import { Exceptions, Kpkeys, LinearMap, PageTableFormat, PhysicalMemory, toPfn, wordsOf } from "@kpkeys/core/contracts";
import type { Words } from "@kpkeys/core/contracts";
import { expectsTables } from "@kpkeys/kernel";
import type { Machine, PageAlias, ScannedTable } from "@kpkeys/kernel";

/** Probe accesses of one source, level and mapping that succeeded. */
export interface AttackGap {
  /** The source of the table pages, or the feature's name for its objects. */
  readonly source: string;
  /** Linux's name of the tables' level; `object` for an object. */
  readonly level: string;
  /** The mapping: the linear map, or another one of the kernel's. */
  readonly mapping: "linear" | "other";
  /** Number of the stores. */
  stores: number;
  /** Number of the loads; 0 except for objects whose reads are withheld. */
  loads: number;
  /** The first address, 16 hexadecimal digits. */
  readonly address: string;
}

/** Numbers of probe accesses. */
export interface AttackCount {
  /**
   * Stores through mappings that are writable apart from the key, and loads from objects whose reads are withheld: the same number with
   * and without a hardening.
   */
  tried: number;
  /** Those of them that faulted. */
  blocked: number;
}

/** The result of the probe accesses: stores and loads. */
export interface AttackResult extends Readonly<AttackCount> {
  /** The loads among them. */
  readonly loads: Readonly<AttackCount>;
  /** The same numbers by the source of the table pages, or by the feature's name for its objects. */
  readonly bySource: Readonly<Record<string, Readonly<AttackCount>>>;
  /** Stores that faulted because the mapping itself is read-only. They are not included in `tried`. */
  readonly readOnly: number;
  /** The accesses that succeeded; empty if everything is protected. */
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
  readonly alias: PageAlias;
  /** Whether loads are attacks too. */
  readonly isSecret: boolean;
  /** Indices of the 64-bit words of the page to access. */
  readonly words: readonly number[];
}

/**
 * Makes probe stores, as an attacker with a write primitive would: in the context DEFAULT, to the first, middle and last word of
 * every table page and of every protected object, through every mapping. Table pages are left out if the features of the machine
 * protect only objects. A probe store writes the value that is already there, so that nothing changes if it succeeds. Objects whose reads
 * are withheld are also loaded from, through read-only mappings too.
 *
 * No access is made through a user mapping: keys of the kernel do not decide about user accesses, so each one counts as successful.
 *
 * The result does not show that setters cannot be misused: an attacker that controls the arguments of set_pte() needs no store.
 *
 * @param machine - the machine
 * @param tables - its table pages with all their mappings, from `Machine.scan`
 * @returns the numbers of blocked accesses, and the accesses that succeeded
 */
export function attack(machine: MachineUnderAttack, tables: readonly ScannedTable[]): AttackResult {
  const kpkeys = machine.get(Kpkeys);
  const sweep = new Sweep(machine);
  const state = kpkeys.enterContext("DEFAULT");
  for (const target of [...tableTargets(machine, tables), ...objectTargets(machine)]) {
    for (const word of target.words) {
      sweep.store(target, word);
      if (target.isSecret) sweep.load(target, word);
    }
  }
  kpkeys.leaveContext(state);
  return sweep.result();
}

/** Makes probe accesses in the current context, and counts them. */
class Sweep {
  private readonly memory: PhysicalMemory;
  private readonly exceptions: Exceptions;
  private readonly linearMap: LinearMap;
  private readonly gaps = new Map<string, AttackGap>();
  private readonly total: AttackCount = { tried: 0, blocked: 0 };
  private readonly loads: AttackCount = { tried: 0, blocked: 0 };
  private readonly bySource: Record<string, AttackCount> = {};
  private readOnly = 0;

  constructor(machine: MachineUnderAttack) {
    this.memory = machine.get(PhysicalMemory);
    this.exceptions = machine.get(Exceptions);
    this.linearMap = machine.get(LinearMap);
  }

  /** Stores the value of a word of a target to that word. */
  store(target: Target, word: number): void {
    const { alias, pfn } = target;
    const value = toBytes(this.memory.read(toPfn(pfn), word), this.memory.byteOrder);
    const succeeds = alias.user
      ? alias.writable
      : this.exceptions.copyToKernelNofault(addressOf(target, word), value) === 0;
    if (succeeds) this.gapOf(target, word).stores++;
    if (!alias.writable && !succeeds) this.readOnly++;
    else this.count(target, succeeds);
  }

  /** Loads a word of a target. */
  load(target: Target, word: number): void {
    const address = addressOf(target, word);
    const succeeds = target.alias.user || typeof this.exceptions.copyFromKernelNofault(address, 8) !== "number";
    if (succeeds) this.gapOf(target, word).loads++;
    this.count(target, succeeds, this.loads);
  }

  /** The numbers so far. */
  result(): AttackResult {
    const { total, loads, bySource, readOnly, gaps } = this;
    return { ...total, loads, bySource, readOnly, gaps: [...gaps.values()] };
  }

  private count({ source }: Target, succeeds: boolean, ...more: readonly AttackCount[]): void {
    for (const count of [this.total, (this.bySource[source] ??= { tried: 0, blocked: 0 }), ...more]) {
      count.tried++;
      if (!succeeds) count.blocked++;
    }
  }

  /** The gap of a target. @param word - the word that was accessed, the gap's address if it is the first */
  private gapOf(target: Target, word: number): AttackGap {
    const { source, level, alias } = target;
    const mapping = this.linearMap.pfnOf(alias.page) !== undefined ? "linear" : "other";
    const id = `${source} ${level} ${mapping}`;
    let gap = this.gaps.get(id);
    if (gap === undefined) {
      const { high, low } = addressOf(target, word);
      gap = { source, level, mapping, stores: 0, loads: 0, address: addressText(high, low) };
      this.gaps.set(id, gap);
    }
    return gap;
  }
}

/** The address of a word of a target. */
function addressOf({ high, low }: Target, word: number): Words {
  return { high, low: low | (word * 8) };
}

function tableTargets(machine: MachineUnderAttack, tables: readonly ScannedTable[]): Target[] {
  if (!expectsTables(machine)) return [];
  const { levels, pageShift } = machine.get(PageTableFormat).geometry;
  return tables.flatMap(({ pfn, first, entries, level, source, aliases }) => {
    const words = firstMiddleLast(first, entries);
    return aliases.map((alias): Target => {
      const place = wordsOf(alias.page, pageShift);
      return { source, level: levels[level]!.name, pfn, ...place, alias, isSecret: false, words };
    });
  });
}

function objectTargets(machine: MachineUnderAttack): Target[] {
  const { pageShift } = machine.get(PageTableFormat).geometry;
  return machine.scanObjects().flatMap(({ pfn, offset, size, source, withholds, aliases }) => {
    const words = firstMiddleLast(offset / 8, size / 8);
    return aliases.map((alias): Target => {
      const place = wordsOf(alias.page, pageShift);
      return { source, level: "object", pfn, ...place, alias, isSecret: withholds === "read-write", words };
    });
  });
}

/** The indices without repetition: a small object has fewer than three words. */
function firstMiddleLast(first: number, count: number): readonly number[] {
  return [...new Set([first, first + (count >> 1), first + count - 1])];
}
