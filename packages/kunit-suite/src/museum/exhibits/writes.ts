import { registerText } from "@kpkeys/core";
import {
  AddressSpaces,
  ArchTools,
  OK,
  PageTableFormat,
  PageTables,
  toLevel,
  toPfn,
  toVpn,
} from "@kpkeys/core/contracts";
import type { Mm, Words } from "@kpkeys/core/contracts";
import { KernelFault } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { linearAddress, oopsIn, scan } from "../evidence.js";
import type { Exhibit, Finding, Scene } from "../exhibit.js";
import { runProcess, allocPage, allocTable, USER_PAGE } from "../setup.js";

/** MADV_FREE. */
const FREE = 8;

function adviseFree({ machine, step }: Scene): Finding {
  step("a process writes anonymous memory");
  const mm = runProcess(machine, 1);
  step("madvise(MADV_FREE) makes the entry old and clean");
  return oopsIn(
    machine,
    () => {
      machine.get(AddressSpaces).madvise(mm, toVpn(USER_PAGE), 1, FREE);
    },
    () => entryState(machine, mm),
  );
}

/** The young and dirty bits of the entry that maps the process's memory. */
function entryState(machine: Machine, { root, rootIndex }: Mm): Omit<Finding, "seen"> {
  const tables = machine.get(PageTables);
  const format = machine.get(PageTableFormat);
  const lastLevel = toLevel(format.geometry.levels.length - 1);
  const { high, low } = tables.entryAt(root, lastLevel, toVpn(USER_PAGE), rootIndex)!.read();
  const [young, dirty] = [format.isYoung(high, low), format.isDirty(high, low)];
  const state = `${young ? "young" : "old"} and ${dirty ? "dirty" : "clean"}`;
  return {
    evidence: `madvise() returned, and the entry is ${registerText(high, low)}: ${state}`,
    facts: { counts: { young: Number(young), dirty: Number(dirty) } },
  };
}

const clearYoungDirty: Exhibit = {
  id: "clear-young-dirty",
  title: "the setter that clears young and dirty at once had no guard",
  series: "v2→v3",
  citation: "RFC v3 changelog, patch 13: added the missing guard in __clear_young_dirty_pte()",
  story:
    "Every function that writes an entry needs the guard, and the list was made by hand. madvise(MADV_FREE) uses a separate function, which compares and exchanges the entry. It had no guard, so any process could crash the kernel.",
  fix: "The function has the guard. On x86 the generic function calls other setters; the model has a separate guard point for it on both architectures.",
  detector: "oops",
  policies: { pgtables: { batching: false } },
  red: { policies: { pgtables: { unguarded: ["clear_young_dirty_pte"] } }, run: adviseFree },
  green: { run: adviseFree },
};

/** The present top-level entries of the kernel. */
function rootEntries(machine: Machine): readonly (Words & { readonly index: number })[] {
  const tables = machine.get(PageTables);
  const format = machine.get(PageTableFormat);
  const entries = 2 ** format.geometry.levels[0]!.indexBits;
  return Array.from({ length: entries }, (_, index) => ({ index, ...tables.read(tables.root, index) })).filter(
    ({ high, low }) => format.isPresent(high, low),
  );
}

/** Copies the kernel's entries to a second top-level table, as the address space of EFI needs. */
function copyRootWith(
  write: (machine: Machine, table: number, index: number, entry: Words) => void,
): (scene: Scene) => Finding {
  return ({ machine, step }) => {
    const table = allocTable(machine, "kernel", toLevel(0));
    const entries = rootEntries(machine);
    step(`${entries.length} top-level entries are copied to a second top-level table, page ${table}`);
    return oopsIn(
      machine,
      () => {
        for (const { index, ...entry } of entries) write(machine, table, index, entry);
      },
      () => ({
        evidence: `${entries.length} entries are in page ${table}`,
        facts: { counts: { entries: entries.length } },
      }),
    );
  };
}

const rawTableCopy: Exhibit = {
  id: "raw-table-copy",
  title: "a copy of page tables by memcpy() faults",
  series: "PKS tables",
  citation:
    'Rick Edgecombe, "PKS write protected page tables" RFC v2, August 2021: setter-bypassing writes such as the EFI table copy',
  story:
    "Not all code writes page tables with the setters: the kernel's top-level entries were copied to EFI's table as plain memory. If the table is protected, such a copy is a kernel fault.",
  fix: "The copy uses the setters, which open the key.",
  detector: "oops",
  red: {
    run: copyRootWith((machine, table, index, entry) => {
      const { high, low } = linearAddress(machine, table);
      const cpu = machine.cpus.current;
      if (cpu.store64(high, low | (index * 8), entry.high, entry.low) === OK) return;
      throw new KernelFault(cpu, machine.get(ArchTools), "memcpy");
    }),
  },
  green: {
    run: copyRootWith((machine, table, index, entry) => {
      machine.get(PageTables).setEntry(toLevel(0), toPfn(table), index, entry);
    }),
  },
};

/** Links a pte table into the address space of a process, next to its first one. */
function linkTableWith(link: (machine: Machine, pmd: number, index: number) => void): (scene: Scene) => Finding {
  return ({ machine, step }) => {
    const mm = runProcess(machine, 1);
    const level = toLevel(machine.levelNames.length - 2);
    const { table, index } = machine.get(PageTables).entryAt(mm.root, level, toVpn(USER_PAGE), mm.rootIndex)!;
    step(`a table is linked into entry ${index + 1} of table page ${table}`);
    link(machine, table, index + 1);
    step("the scanner walks all tables from the live roots");
    return scan(machine);
  };
}

/** The entry that points to a table page of a process. */
function tableEntry(machine: Machine, pfn: number): Words {
  return machine.get(PageTableFormat).makeTable(toPfn(pfn), true);
}

const rawTableLink: Exhibit = {
  id: "raw-table-link",
  title: "a table that a boot stub links without the allocator has no key",
  series: "PKS tables",
  citation:
    'Rick Edgecombe, "PKS write protected page tables" RFC v2, August 2021: compressed boot stubs, and a checker that scans all tables',
  story:
    "Code that fills a page and links it as a table does not fault if it runs before keys are enabled, or writes through an alias without a key. The page is a page table, but it did not come from the allocator of table pages: it has no key, and no list of table pages contains it.",
  fix: "Tables come from the allocator that sets their key. A walk, not a list, finds the tables from before.",
  detector: "coverage scanner",
  red: {
    run: linkTableWith((machine, pmd, index) => {
      machine.memory.writeEntry(toPfn(pmd), index, tableEntry(machine, allocPage(machine)));
    }),
  },
  green: {
    run: linkTableWith((machine, pmd, index) => {
      const tables = machine.get(PageTables);
      tables.setPmd(toPfn(pmd), index, tableEntry(machine, allocTable(machine, "user")));
    }),
  },
};

/** Bugs in code that writes page tables. */
export const WRITES: readonly Exhibit[] = [clearYoungDirty, rawTableCopy, rawTableLink];
