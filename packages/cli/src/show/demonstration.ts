import { addressText, toBytes } from "@kpkeys/core";
import {
  Access,
  AddressSpaces,
  ArchTools,
  Errno,
  Exceptions,
  LinearMap,
  MapFlag,
  OK,
  PageKeys,
  pageOf,
  PageTableFormat,
  PageTables,
  Privilege,
  Prot,
  Tasks,
  toLevel,
  toPfn,
  toVpn,
} from "@kpkeys/core/contracts";
import type { Mm, Pfn } from "@kpkeys/core/contracts";
import { explainInputs } from "@kpkeys/explain";
import { buildMachine } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import type { Job } from "../job.js";
import { loadRegistry } from "../plugins/load.js";
import { recordMoments } from "./moments.js";
import type { Moment } from "./moments.js";

/** A store to the entry, and its result. */
export interface ShownStore {
  /** The events on the CPU, in their order. */
  readonly moments: readonly Moment[];
  /** The entry before the store, 16 hexadecimal digits. */
  readonly before: string;
  /** The entry after it. */
  readonly after: string;
  /** The fault that denied the store; `null` when the store succeeded. */
  readonly fault: {
    /** The first line of the oops. */
    readonly text: string;
    /** Registers by name: syndrome, address, key register, decoded fields. */
    readonly registers: Readonly<Record<string, string>>;
    /** Arguments of `kpkeys explain` for this fault: its registers and the entries of its walk. */
    readonly explain: readonly string[];
  } | null;
}

/** One machine: a set_pte of the kernel, then a stray store to the same entry. */
export interface Demonstration {
  /** The architecture's id. */
  readonly arch: string;
  /** The version of the series. */
  readonly series: string;
  /** Whether the hardening is on. */
  readonly hardened: boolean;
  /** The entry that is written. */
  readonly entry: {
    /** Page-frame number of its table page. */
    readonly table: number;
    /** Its index there. */
    readonly index: number;
    /** Its address in the linear map, 16 hexadecimal digits. */
    readonly address: string;
    /** The key of the table page in the linear map. */
    readonly pkey: number;
  };
  /** `set_pte`, which maps a user page. */
  readonly setPte: ShownStore;
  /** A store from outside the setters that maps the kernel image writable for user space. */
  readonly stray: ShownStore;
  /** Whether a user store to that page then reaches the kernel image. */
  readonly reached: boolean;
}

/** Address of the user mapping: 256 MiB is in user space on every architecture. */
const USER_ADDRESS = 0x1000_0000;

/**
 * Boots a machine and runs both stores on it.
 * @param job - the machine
 * @returns the results of both stores
 */
export async function demonstrate({ plugins, spec, series, policy }: Job): Promise<Demonstration> {
  const machine = buildMachine(spec, await loadRegistry(plugins));
  const format = machine.get(PageTableFormat);
  const tables = machine.get(PageTables);
  const mm = userPage(machine);
  const { levels, pageShift } = format.geometry;
  const level = toLevel(levels.length - 1);
  const page = pageOf({ high: 0, low: USER_ADDRESS }, pageShift);
  const { table, index } = tables.entryAt(mm.root, level, page, mm.rootIndex)!;
  const address = machine.get(LinearMap).address(table, index * 8);
  const { high, low } = address;
  const pkey = pkeyAt(machine, high, low);

  const user = format.makeOld(machine.memory.readEntry(table, index));
  const setPte = shownStore(machine, table, index, () => {
    tables.setPte(table, index, user);
    return 0;
  });

  const evil = format.makeLeaf(level, toPfn(imageFrame(machine)), format.protections.PAGE_SHARED);
  const exceptions = machine.get(Exceptions);
  const stray = shownStore(machine, table, index, () =>
    exceptions.copyToKernelNofault(address, toBytes(evil, machine.memory.entryByteOrder)),
  );
  return {
    arch: spec.arch,
    series,
    hardened: policy !== "off",
    entry: { table, index, address: addressText(high, low), pkey },
    setPte,
    stray,
    reached: userReaches(machine, imageFrame(machine)),
  };
}

/** Switches to a new process with one readable page. */
function userPage(machine: Machine): Mm {
  const spaces = machine.get(AddressSpaces);
  const tasks = machine.get(Tasks);
  const mm = spaces.create();
  tasks.switchTo(tasks.create(mm));
  const page = USER_ADDRESS >> machine.get(PageTableFormat).geometry.pageShift;
  spaces.mmap(mm, toVpn(page), 1, Prot.READ, MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.POPULATE);
  return mm;
}

/**
 * Runs a store with a cold TLB.
 * @param store - returns 0 or a negative errno
 */
function shownStore(machine: Machine, table: Pfn, index: number, store: () => number): ShownStore {
  const { memory, cpus } = machine;
  const read = (): string => {
    const { high, low } = memory.readEntry(table, index);
    return addressText(high, low);
  };
  const before = read();
  cpus.current.mmu.invalidateAll();
  const { result, moments } = recordMoments(machine, store);
  return { moments, before, after: read(), fault: result === Errno.EFAULT ? faultOf(machine, moments) : null };
}

function faultOf(machine: Machine, moments: readonly Moment[]): NonNullable<ShownStore["fault"]> {
  const tools = machine.get(ArchTools);
  const { fault } = machine.cpus.current;
  const registers = Object.fromEntries(tools.faultRegisters(fault).map(({ name, text }) => [name, text]));
  // Some registers are followed by their decoded bits: 0x0023 (P|W|PK).
  const inputs = explainInputs(tools).flatMap(({ name, label }) => {
    const value = registers[label]?.split(" ")[0];
    return value === undefined ? [] : [`--${name}`, value];
  });
  const entries = moments.flatMap((moment) => (moment.kind === "walk" ? moment.entries.map(({ entry }) => entry) : []));
  return {
    text: tools.describeFault(fault),
    registers,
    explain: [...inputs, "--entries", entries.join(",")],
  };
}

/** The frame of the kernel image that holds `init_mm`. */
function imageFrame(machine: Machine): number {
  const { high, low } = machine.get(LinearMap).imageAddress();
  return frameAt(machine, high, low);
}

function frameAt(machine: Machine, high: number, low: number): number {
  const format = machine.get(PageTableFormat);
  let frame = -1;
  machine.cpus.current.mmu.walk(high, low, (step) => {
    if (step.type === "leaf") frame = format.pfnOf(step.high, step.low) + pagesInto(format, step.level, low);
  });
  return frame;
}

/** The number of pages between the start of a leaf and an address in it. */
function pagesInto({ geometry }: PageTableFormat, level: number, low: number): number {
  const { shift } = geometry.levels[level]!;
  return (low & (2 ** shift - 1)) >>> geometry.pageShift;
}

function pkeyAt(machine: Machine, high: number, low: number): number {
  const format = machine.get(PageTableFormat);
  const keys = machine.get(PageKeys);
  let pkey = 0;
  machine.cpus.current.mmu.walk(high, low, (step) => {
    if (step.type === "leaf") pkey = keys.ofLeaf(step.high, step.low, pagesInto(format, step.level, low));
  });
  return pkey;
}

/** Whether a user store to the page succeeds and the page maps the frame. */
function userReaches(machine: Machine, frame: number): boolean {
  const { current } = machine.cpus;
  const status = current.access(0, USER_ADDRESS, Access.WRITE, Privilege.USER);
  return status === OK && frameAt(machine, 0, USER_ADDRESS) === frame;
}
