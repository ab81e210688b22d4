import { hex } from "@kpkeys/core";
import { LinearMap, SetMemory, Tasks, Vmalloc } from "@kpkeys/core/contracts";
import { scan } from "../evidence.js";
import type { Exhibit, Finding, Scene } from "../exhibit.js";
import { tablePkey } from "../pgtables.js";
import { allocPageInBlock, runProcess } from "../setup.js";
import {
  firstPkeyFails,
  mockedPkeys,
  pkeyCallLog,
  PkeyCalls,
  pkeysDeferred,
  taggingChecksCpu,
  voidConstructor,
} from "../variants.js";

/** The constructor sets the key of a table page; a walk sets those of early ones (v2 to v5). */
const CTOR = { tagging: "ctor", early: "late-walk" } as const;

function scanAfterVmalloc({ machine, step }: Scene): Finding {
  step("vmalloc() of three pages allocates kernel tables after boot");
  machine.get(Vmalloc).alloc(3);
  step("the scanner walks all tables from the live roots");
  return scan(machine, "kernel");
}

const kernelTablesAfterBoot: Exhibit = {
  id: "kernel-tables-after-boot",
  title: "kernel PTE tables allocated after boot had no key",
  series: "v3→v4",
  citation: "RFC v4 changelog: rebased on a kernel that always calls the constructor of kernel page tables",
  story:
    "The constructor set the key of a table page. pte_alloc_one_kernel() allocated a page without calling a constructor, so the tables that vmalloc() added after boot had no key, and any stray store could write them. The tables of boot hid the bug, because a walk had set their key.",
  fix: "The kernel calls constructor and destructor for its own tables at every level. The fix includes a test of a vmalloc() mapping.",
  detector: "coverage scanner",
  policies: { pgtables: CTOR },
  red: { policies: { pgtables: { tagging: "ctor-missing-kernel" } }, run: scanAfterVmalloc },
  green: { run: scanAfterVmalloc },
};

function scanAfterFailure({ machine, step }: Scene): Finding {
  step("vmalloc() of one page allocates kernel tables; the first set_memory_pkey() fails with -ENOMEM");
  const page = machine.get(Vmalloc).alloc(1);
  const outcome = page === undefined ? "failed: no page left" : `succeeded: virtual page ${hex(page)}`;
  step("the scanner walks all tables from the live roots");
  const { seen, evidence, facts } = scan(machine, "kernel");
  const counts = { mapped: page === undefined ? 0 : 1 };
  return { seen, evidence: `vmalloc() ${outcome}\n${evidence}`, facts: { ...facts, counts } };
}

const constructorCannotFail: Exhibit = {
  id: "constructor-cannot-fail",
  title: "the error of a table page's constructor was lost, and the page was used",
  series: "v1→v2",
  citation: "RFC v2 changelog, patch 10: pagetable_*_ctor() may fail at all levels",
  story:
    "Setting a key may fail: it changes the linear map, which may need memory. The constructors of most levels returned void, so the error was lost, and the table page was linked without its key.",
  fix: "The constructors of all levels return an error; the table page is freed and the allocation fails.",
  detector: "coverage scanner",
  policies: { pgtables: CTOR },
  red: { variants: [voidConstructor, firstPkeyFails], run: scanAfterFailure },
  green: { variants: [firstPkeyFails], run: scanAfterFailure },
};

function scanVmemmap({ machine, step }: Scene): Finding {
  step("right after boot, the scanner walks all tables from the live roots");
  return scan(machine, "vmemmap");
}

const vmemmapTables: Exhibit = {
  id: "vmemmap-tables",
  title: "the tables of the vmemmap had no key",
  series: "v6→v7",
  citation: 'v7 changelog: added patch 14, "mm: kpkeys: Protect vmemmap page tables", and its test in patch 24',
  story:
    "The early allocator records each table page that memblock returns, and its key is set later. sparse-vmemmap called memblock directly, so the tables that map struct page were not recorded and stayed open. Up to v5 a walk of all tables had found them.",
  fix: "The vmemmap allocates its tables from the allocator that records them.",
  detector: "coverage scanner",
  red: { policies: { pgtables: { vmemmap: false } }, run: scanVmemmap },
  green: { run: scanVmemmap },
};

/** Sets the key of one page in a block of the linear map, which needs a split. */
function tagInBlock({ machine, step }: Scene): Finding {
  const pfn = allocPageInBlock(machine);
  step("set_memory_pkey() of one page that a block of the linear map maps");
  machine.get(SetMemory).setMemoryPkey(machine.get(LinearMap).pageOf(pfn), 1, tablePkey(machine));
  const calls = machine.get(PkeyCalls);
  const errnos = calls.map(({ errno }) => errno);
  const lines = calls.map((call) => `${"  ".repeat(call.depth)}set_memory_pkey(page ${call.pfn}) = ${call.errno}`);
  return { seen: errnos.some((errno) => errno !== 0), evidence: lines.join("\n"), facts: { errnos } };
}

const splitRecursion: Exhibit = {
  id: "split-recursion",
  title: "the split of a block needs a table page, whose key needs a split",
  series: "v5→v6",
  citation: "v6 cover letter and patches 11 to 26: the pkeys block allocator; v7 does without by a linear map of pages",
  story:
    "The key of one page in a block of the linear map needs a split of the block, and the split needs a table page. A block maps that page too, so its key needs another split, under a lock that is already held: -EDEADLK in the model. No table page can be allocated.",
  fix: "Table pages come from blocks that have the key as a whole. Four pages are reserved for splits: a refill uses two at most and adds more.",
  detector: "errno",
  policies: { kernel: { linearMap: "block" } },
  red: { variants: [pkeysDeferred, pkeyCallLog], run: tagInBlock },
  green: {
    policies: { pgtables: { tagging: "block-allocator" } },
    variants: [pkeysDeferred, pkeyCallLog],
    run: tagInBlock,
  },
};

/** Counts register writes and keys set, as a benchmark of fork and exit does. */
function measure({ machine, step }: Scene): Finding {
  const before = machine.counters();
  step("a process maps 2,048 pages, which need tables");
  runProcess(machine, 2048);
  const after = machine.counters();
  const counts = {
    allocated: after.tablesAllocated - before.tablesAllocated,
    keyed: after.setMemoryPkeyPages - before.setMemoryPkeyPages,
    registerWrites: after.registerWrites - before.registerWrites,
  };
  const { evidence } = scan(machine, "user");
  step("it exits, and the tables are freed");
  machine.get(Tasks).exit(machine.get(Tasks).current);
  const line = `${counts.allocated} table pages allocated, ${counts.keyed} given a key, ${counts.registerWrites} writes of the key register`;
  return { seen: counts.keyed === 0, evidence: `${line}\n${evidence}`, facts: { counts } };
}

const taggingUnderMock: Exhibit = {
  id: "tagging-under-mock",
  title: "the mock set no keys, so the posted numbers lacked half of the cost",
  series: "v5→v6",
  citation:
    "v6 changelog, patch 6: check arch_kpkeys_enabled(); corrected table of 20 August 2025, after Rick Edgecombe's question",
  story:
    "No CPU has POE, so a mock was measured: kpkeys was enabled, with a key register that has no effect. set_memory_pkey() checked the CPU instead of kpkeys and returned at once. The numbers included the switches of the register and none of the changes of the linear map.",
  fix: "set_memory_pkey() checks whether kpkeys is enabled.",
  detector: "counters",
  policies: { arch: { pkeys: false } },
  red: { variants: [taggingChecksCpu, mockedPkeys], run: measure },
  green: { variants: [mockedPkeys], run: measure },
};

/** Bugs in the allocation of table pages and of their keys. */
export const ALLOCATION: readonly Exhibit[] = [
  constructorCannotFail,
  kernelTablesAfterBoot,
  splitRecursion,
  taggingUnderMock,
  vmemmapTables,
];
