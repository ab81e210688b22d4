import { hex } from "@kpkeys/core";
import { LinearMap, SetMemory, Tasks, Vmalloc } from "@kpkeys/core/contracts";
import type { Vpn } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { scan } from "../evidence.js";
import type { Exhibit, Finding, Scene } from "../exhibit.js";
import { tablePkey } from "../pgtables.js";
import { runProcess, takePageInBlock } from "../setup.js";
import {
  firstPkeyFails,
  mockedPkeys,
  pkeyCallLog,
  PkeyCalls,
  pkeysDeferred,
  taggingAsksCpu,
  voidConstructor,
} from "../variants.js";

/** Table pages get their key in the constructor, early ones by a walk: v2 to v5. */
const CTOR = { tagging: "ctor", early: "late-walk" } as const;

function scanAfterVmalloc({ machine, step }: Scene): Finding {
  step("vmalloc() of three pages makes kernel tables after boot");
  machine.get(Vmalloc).alloc(3);
  step("the scanner walks all tables from the live roots");
  return scan(machine, ({ source }) => source === "kernel");
}

const kernelTablesAfterBoot: Exhibit = {
  id: "kernel-tables-after-boot",
  title: "kernel PTE tables made after boot had no key",
  series: "v3→v4",
  citation: "RFC v4 changelog: rebased on a kernel that always calls the constructor of kernel page tables",
  story:
    "Table pages got their key in their constructor. pte_alloc_one_kernel() took a page and called none, so whatever vmalloc() mapped after boot stood in tables that every stray store could write. The tables of boot hid it: a walk had found those.",
  fix: "The kernel calls constructor and destructor for its own tables at every level, and a test of a vmalloc() mapping came along.",
  detector: "coverage scanner",
  policies: { pgtables: CTOR },
  red: { policies: { pgtables: { tagging: "ctor-missing-kernel" } }, run: scanAfterVmalloc },
  green: { run: scanAfterVmalloc },
};

function scanAfterFailure({ machine, step }: Scene): Finding {
  step("vmalloc() of one page makes kernel tables; the first set_memory_pkey() fails with -ENOMEM");
  const outcome = outcomeOf(machine.get(Vmalloc).alloc(1));
  step("the scanner walks all tables from the live roots");
  const found = scan(machine, ({ source }) => source === "kernel");
  return { ...found, evidence: `${outcome}\n${found.evidence}` };
}

function outcomeOf(page: Vpn | undefined): string {
  return page === undefined ? "vmalloc() failed: no page left" : `vmalloc() succeeded: virtual page ${hex(page)}`;
}

const constructorCannotFail: Exhibit = {
  id: "constructor-cannot-fail",
  title: "a constructor that could not fail used the page all the same",
  series: "v1→v2",
  citation: "RFC v2 changelog, patch 10: pagetable_*_ctor() may fail at all levels",
  story:
    "Setting a key may fail: it changes the linear map, which may need memory. The constructors of most levels returned nothing, so a failure had nowhere to go. The table page was linked in without its key.",
  fix: "Constructors of all levels return whether they succeeded; the table page goes back and the allocation fails.",
  detector: "coverage scanner",
  policies: { pgtables: CTOR },
  red: { variants: [voidConstructor, firstPkeyFails], run: scanAfterFailure },
  green: { variants: [firstPkeyFails], run: scanAfterFailure },
};

function scanVmemmap({ machine, step }: Scene): Finding {
  step("the scanner walks all tables from the live roots, right after boot");
  return scan(machine, ({ source }) => source === "vmemmap");
}

const vmemmapTables: Exhibit = {
  id: "vmemmap-tables",
  title: "the tables of the vmemmap had no key",
  series: "v6→v7",
  citation: 'v7 changelog: added patch 14, "mm: kpkeys: Protect vmemmap page tables", and its test in patch 24',
  story:
    "Early tables are protected by remembering them as memblock hands them out. sparse-vmemmap took its own pages from memblock, past the allocator that remembers, so the tables that map struct page stayed open. Up to v5 a walk of all tables had found them.",
  fix: "The vmemmap takes its tables from the allocator that remembers.",
  detector: "coverage scanner",
  red: { policies: { pgtables: { vmemmap: false } }, run: scanVmemmap },
  green: { run: scanVmemmap },
};

/** Sets the key of one page in a block of the linear map, which has to be split for that. */
function tagInBlock({ machine, step }: Scene): Finding {
  const pfn = takePageInBlock(machine);
  step("set_memory_pkey() of one page that a block of the linear map maps");
  machine.get(SetMemory).setMemoryPkey(machine.get(LinearMap).pageOf(pfn), 1, tablePkey(machine));
  const calls = machine.get(PkeyCalls);
  return {
    seen: calls.some(({ errno }) => errno !== 0),
    evidence: calls
      .map((call) => `${"  ".repeat(call.depth)}set_memory_pkey(page ${call.pfn}) = ${call.errno}`)
      .join("\n"),
  };
}

const splitRecursion: Exhibit = {
  id: "split-recursion",
  title: "a block's split needs a table page, whose key needs a split",
  series: "v5→v6",
  citation: "v6 cover letter and patches 11 to 26: the pkeys block allocator; v7 does without by a linear map of pages",
  story:
    "To give one page a key, a block of the linear map that holds it is split, which takes a table page. That page lies in a block too, so its key needs another split, under a lock that is held already: -EDEADLK here, and no table page can be had.",
  fix: "Table pages come from blocks that have the key as a whole, with a reserve of four pages for splits: a refill spends at most two and wins more.",
  detector: "errno",
  policies: { kernel: { linearMap: "block" } },
  red: { variants: [pkeysDeferred, pkeyCallLog], run: tagInBlock },
  green: {
    policies: { pgtables: { tagging: "block-allocator" } },
    variants: [pkeysDeferred, pkeyCallLog],
    run: tagInBlock,
  },
};

/** What a benchmark of fork and exit counts: switches of the register and keys set. */
function measure({ machine, step }: Scene): Finding {
  const before = machine.counters();
  step("a process maps 2,048 pages, for which tables are made");
  runProcess(machine, 2048);
  const { made, tagged, switches } = difference(machine, before);
  const found = scan(machine, ({ source }) => source === "user");
  step("it ends, and the tables are freed");
  machine.get(Tasks).exit(machine.get(Tasks).current);
  return {
    seen: tagged === 0,
    evidence: `${made} table pages allocated, ${tagged} given a key, ${switches} writes of the key register\n${found.evidence}`,
  };
}

function difference(
  machine: Machine,
  before: ReturnType<Machine["counters"]>,
): { readonly made: number; readonly tagged: number; readonly switches: number } {
  const after = machine.counters();
  return {
    made: after.tablesAllocated - before.tablesAllocated,
    tagged: after.setMemoryPkeyPages - before.setMemoryPkeyPages,
    switches: after.registerWrites - before.registerWrites,
  };
}

const taggingUnderMock: Exhibit = {
  id: "tagging-under-mock",
  title: "on the mock no page got a key, so posted numbers left out half the cost",
  series: "v5→v6",
  citation:
    "v6 changelog, patch 6: check arch_kpkeys_enabled(); corrected table of 20 August 2025, after Rick Edgecombe's question",
  story:
    "No CPU has POE, so a mock was measured: kpkeys on, over a register that decides nothing. set_memory_pkey() asked the CPU and not kpkeys whether there are keys, and returned at once. The numbers had the switches of the register and none of the changes of the linear map.",
  fix: "set_memory_pkey() asks what kpkeys asks.",
  detector: "counters",
  policies: { arch: { pkeys: false } },
  red: { variants: [taggingAsksCpu, mockedPkeys], run: measure },
  green: { variants: [mockedPkeys], run: measure },
};

/** Where table pages come from, and how they get their key. */
export const ALLOCATION: readonly Exhibit[] = [
  constructorCannotFail,
  kernelTablesAfterBoot,
  splitRecursion,
  taggingUnderMock,
  vmemmapTables,
];
