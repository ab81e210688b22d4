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
import type { Words } from "@kpkeys/core/contracts";
import { KernelFault } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { linearAddress, oopsIn, scan } from "../evidence.js";
import type { Exhibit, Finding, Scene } from "../exhibit.js";
import { runProcess, takePage, takeTable, USER_PAGE } from "../setup.js";

/** MADV_FREE. */
const FREE = 8;

function adviseFree({ machine, step }: Scene): Finding {
  step("a process writes anonymous memory");
  const mm = runProcess(machine, 1);
  step("madvise(MADV_FREE) makes its entry old and clean");
  return oopsIn(
    machine,
    () => {
      machine.get(AddressSpaces).madvise(mm, toVpn(USER_PAGE), 1, FREE);
    },
    () => entryText(machine, mm.root),
  );
}

/** State of the entry that maps the process's memory. */
function entryText(machine: Machine, root: number): string {
  const tables = machine.get(PageTables);
  const format = machine.get(PageTableFormat);
  const lastLevel = toLevel(format.geometry.levels.length - 1);
  const { high, low } = tables.entryAt(toPfn(root), lastLevel, toVpn(USER_PAGE))!.read();
  const young = format.isYoung(high, low) ? "young" : "old";
  const dirty = format.isDirty(high, low) ? "dirty" : "clean";
  return `madvise() returned, and the entry is ${registerText(high, low)}: ${young} and ${dirty}`;
}

const clearYoungDirty: Exhibit = {
  id: "clear-young-dirty",
  title: "one setter was missed: clearing young and dirty at once",
  series: "v2→v3",
  citation: "RFC v3 changelog, patch 13: added the missing guard in __clear_young_dirty_pte()",
  story:
    "Every function that writes an entry needs the guard, and the list was made by hand. madvise(MADV_FREE) goes by a function of its own, which compares and exchanges the entry; it had none, so any process could bring the kernel down.",
  fix: "The guard is there. On x86 the generic function goes by other setters; the model gives it a guard point of its own on both.",
  detector: "oops",
  policies: { pgtables: { batching: false } },
  red: { policies: { pgtables: { unguarded: ["clear_young_dirty_pte"] } }, run: adviseFree },
  green: { run: adviseFree },
};

/** The kernel's top-level entries in use. */
function rootEntries(machine: Machine): readonly (Words & { readonly index: number })[] {
  const tables = machine.get(PageTables);
  const format = machine.get(PageTableFormat);
  const entries = 2 ** format.geometry.levels[0]!.indexBits;
  return Array.from({ length: entries }, (_, index) => ({ index, ...tables.read(tables.root, index) })).filter(
    ({ high, low }) => format.isPresent(high, low),
  );
}

/** Fills a second top-level table with the kernel's entries, as a firmware's address space needs them. */
function copyRootWith(
  write: (machine: Machine, table: number, index: number, entry: Words) => void,
): (scene: Scene) => Finding {
  return ({ machine, step }) => {
    const table = takeTable(machine, "kernel", toLevel(0));
    const entries = rootEntries(machine);
    step(`${entries.length} top-level entries are copied to a second top-level table, page ${table}`);
    return oopsIn(
      machine,
      () => {
        for (const { index, ...entry } of entries) write(machine, table, index, entry);
      },
      () => `${entries.length} entries are in page ${table}`,
    );
  };
}

const rawTableCopy: Exhibit = {
  id: "raw-table-copy",
  title: "code that copies page tables by memcpy() faults on them",
  series: "PKS tables",
  citation:
    'Rick Edgecombe, "PKS write protected page tables" RFC v2, August 2021: setter-bypassing writes such as the EFI table copy',
  story:
    "Not all that writes page tables goes by the setters: the kernel's top-level entries were copied into EFI's own table as plain memory. With the table protected, such a copy is a kernel fault.",
  fix: "The copy goes by the setters, which open the key.",
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

/** Links a table of pages into a process, next to the one that it has. */
function linkTableWith(link: (machine: Machine, pmd: number, index: number) => void): (scene: Scene) => Finding {
  return ({ machine, step }) => {
    const mm = runProcess(machine, 1);
    const level = toLevel(machine.levelNames.length - 2);
    const { table, index } = machine.get(PageTables).entryAt(mm.root, level, toVpn(USER_PAGE))!;
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
  title: "a table that a boot stub linked in by itself is nobody's to protect",
  series: "PKS tables",
  citation:
    'Rick Edgecombe, "PKS write protected page tables" RFC v2, August 2021: compressed boot stubs, and a checker that scans all tables',
  story:
    "Code that takes a page, fills it and links it in before keys count, or by an alias without one, meets no fault. The page is a page table all the same, and no allocation path has ever seen it: it has no key, and no register of table pages misses it.",
  fix: "Tables come from the allocator that gives them their key. Those from before are found by a walk, not by trust in a list.",
  detector: "coverage scanner",
  red: {
    run: linkTableWith((machine, pmd, index) => {
      machine.memory.write(toPfn(pmd), index, tableEntry(machine, takePage(machine)));
    }),
  },
  green: {
    run: linkTableWith((machine, pmd, index) => {
      const tables = machine.get(PageTables);
      tables.setPmd(toPfn(pmd), index, tableEntry(machine, takeTable(machine, "user")));
    }),
  },
};

/** Who writes page tables. */
export const WRITES: readonly Exhibit[] = [clearYoungDirty, rawTableCopy, rawTableLink];
