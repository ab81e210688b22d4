import {
  Access,
  MapFlag,
  PageAllocator,
  PageTableFormat,
  PageTables,
  Prot,
  toPfn,
  toVpn,
} from "@kpkeys/core/contracts";
import type { Mm } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { boot, ENTRIES, frameOf, PAGE_SHIFT } from "../support/machine.js";
import { ANONYMOUS, BASE, DENIED, FILE, Process, RW, SHARED } from "../support/process.js";
import { splitRoots } from "../support/arches.js";
import { readUserTables } from "../support/tables.js";

const { READ, WRITE } = Access;
const ENOMEM = -12;
const EINVAL = -22;
/** vm.mmap_min_addr is 64 KiB. */
const MINIMUM = 0x10000 >> PAGE_SHIFT;
/** End of the user half of the example architecture: 64 TiB. */
const END = 2 ** (46 - PAGE_SHIFT);
const MAP_LOCKED = 0x2000;
const MAP_NONBLOCK = 0x10000;

describe("a range of a system call", () => {
  it.each([
    ["the lowest page", MINIMUM, 1, true],
    ["the page below it", MINIMUM - 1, 1, false],
    ["the highest page", END - 1, 1, true],
    ["the page above it", END, 1, false],
    ["two pages from the highest page", END - 1, 2, false],
    ["the whole user half", MINIMUM, END - MINIMUM, true],
    ["no page", BASE, 0, false],
    ["a negative length", BASE, -1, false],
  ])("is checked: %s", (_, page, pages, isValid) => {
    const { spaces, mm } = new Process();
    const calls = [
      spaces.mmap(mm, toVpn(page), pages, RW, ANONYMOUS),
      spaces.mprotect(mm, toVpn(page), pages, Prot.READ),
      spaces.madvise(mm, toVpn(page), pages, 0),
      spaces.munmap(mm, toVpn(page), pages),
    ];
    expect(calls).toEqual(isValid ? [0, 0, 0, 0] : [ENOMEM, ENOMEM, EINVAL, EINVAL]);
  });

  it("of mremap is checked at both addresses; only the old one may be empty", () => {
    const { spaces, mm } = new Process();
    spaces.mmap(mm, toVpn(BASE), 4, RW, SHARED);
    expect([
      spaces.mremap(mm, toVpn(MINIMUM - 1), 1, toVpn(BASE + 8), 1),
      spaces.mremap(mm, toVpn(MINIMUM - 1), 0, toVpn(BASE + 8), 1),
      spaces.mremap(mm, toVpn(BASE), 1, toVpn(MINIMUM - 1), 1),
      spaces.mremap(mm, toVpn(BASE), 1, toVpn(END - 1), 2),
      spaces.mremap(mm, toVpn(BASE), 1, toVpn(BASE + 8), 0),
      spaces.mremap(mm, toVpn(BASE), 0, toVpn(BASE + 8), 1),
      spaces.mremap(mm, toVpn(BASE), 1, toVpn(MINIMUM), 1),
    ]).toEqual([EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, 0, 0]);
  });
});

describe("rights", () => {
  it("of mmap are read, write and execute; other bits are ignored", () => {
    const { spaces, mm } = new Process();
    for (let prot = 0; prot < 64; prot++) {
      spaces.mmap(mm, toVpn(BASE), 1, prot, ANONYMOUS);
      expect(spaces.protectionAt(mm, toVpn(BASE))).toBe(prot & 7);
    }
  });

  it("of mprotect may include PROT_SEM, PROT_GROWSDOWN and PROT_GROWSUP, but no other bit", () => {
    const { spaces, mm } = new Process();
    spaces.mmap(mm, toVpn(BASE), 1, RW, ANONYMOUS);
    for (let bit = 0; bit < 31; bit++) {
      const isKnown = bit < 4 || bit === 24 || bit === 25;
      expect(spaces.mprotect(mm, toVpn(BASE), 1, 2 ** bit)).toBe(isKnown ? 0 : EINVAL);
      if (isKnown) expect(spaces.protectionAt(mm, toVpn(BASE))).toBe((2 ** bit) & 7);
    }
  });
});

describe("an address space", () => {
  it("has a unique number, exists until the last put, and frees all pages", () => {
    const { spaces, machine } = new Process();
    const free = (): number => machine.get(PageAllocator).freePages;
    const before = free();
    const first = spaces.create();
    const second = spaces.create();
    const third = spaces.create();
    expect(new Set([...spaces.all].map(({ id }) => id)).size).toBe(4);
    expect(free()).toBe(before - 3);
    spaces.get(first);
    expect(first.users).toBe(2);
    spaces.put(first);
    expect([first.users, [...spaces.all].includes(first)]).toEqual([1, true]);
    for (const mm of [first, second, third]) spaces.put(mm);
    expect([...spaces.all]).toHaveLength(1);
    expect(free()).toBe(before);
    expect(spaces.create().id).toBeGreaterThan(third.id);
  });

  it("frees its tables and pages at its end, except pages that another one maps", () => {
    const process = new Process();
    const free = (): number => process.machine.get(PageAllocator).freePages;
    process.mmap(BASE, 2 * ENTRIES);
    for (const page of [BASE, BASE + 1, BASE + ENTRIES]) process.touch(page, WRITE);
    const before = free();
    const child = process.spaces.fork(process.mm);
    expect(free()).toBe(before - 4);
    process.spaces.put(child);
    expect(free()).toBe(before);
    expect(process.touch(BASE, WRITE)).toBe(1);
    expect(free()).toBe(before);
  });

  it("starts with copies of the kernel's top-level entries and an empty user half", () => {
    const { spaces, machine } = new Process();
    const { root } = spaces.create();
    const { memory } = machine;
    const kernelRoot = machine.get(PageTables).root;
    let copied = 0;
    for (let index = 0; index < ENTRIES; index++) {
      const isKernel = index >= ENTRIES / 2;
      expect(memory.readEntry(root, index).low).toBe(isKernel ? memory.readEntry(kernelRoot, index).low : 0);
      if (memory.readEntry(root, index).low !== 0) copied++;
    }
    const before = machine.counters().writesBySetter.set_pgd;
    spaces.create();
    // The pgd is directly above a pmd, so set_pud writes its entries; clone_pgd_range uses set_pgd.
    expect(machine.counters().writesBySetter.set_pgd - before).toBe(copied);
  });

  it("starts empty with split roots", () => {
    const process = new Process(boot({}, { arch: splitRoots }));
    expect(process.machine.get(PageTableFormat).geometry.splitRoots).toBe(true);
    expect(process.machine.counters().writesBySetter.set_pgd).toBe(0);
    process.mmap(BASE, 1);
    expect(process.touch(BASE, WRITE)).toBe(1);
    expect(readUserTables(process.machine, process.mm).pages.size).toBe(1);
    process.run(process.tasks.create(process.spaces.create()));
    expect(process.touch(BASE, READ)).toBe(DENIED);
  });

  it("returns the end of the next mapping below a page", () => {
    const { spaces, mm } = new Process();
    spaces.mmap(mm, toVpn(BASE), 2, RW, ANONYMOUS);
    expect([0, 1, 2, 9].map((i) => spaces.endBelow(mm, toVpn(BASE + i)))).toEqual([0, BASE + 1, BASE + 2, BASE + 2]);
  });

  it("of another machine is rejected", () => {
    const { spaces } = new Process();
    const stranger: Mm = { id: 77, root: toPfn(0), rootIndex: 0, tablePages: 0, users: 1 };
    expect(() => spaces.munmap(stranger, toVpn(BASE), 1)).toThrow(
      expect.objectContaining({ code: "ERR_API_MISUSE" }) as Error,
    );
  });

  it("counts handled faults only", () => {
    const process = new Process();
    process.mmap(BASE, 2);
    process.touch(BASE, WRITE);
    process.touch(BASE, WRITE);
    process.touch(BASE + 9, WRITE);
    process.touch(BASE + 1, READ);
    expect([process.spaces.faults, process.machine.counters().userFaults]).toEqual([2, 2]);
  });

  it("throws ERR_OUT_OF_MEMORY without a page for its top-level table", () => {
    const { spaces, machine } = new Process();
    while (machine.get(PageAllocator).alloc(0) !== undefined);
    expect(() => spaces.create()).toThrow(expect.objectContaining({ code: "ERR_OUT_OF_MEMORY" }) as Error);
  });
});

describe("mmap", () => {
  it("populates with MAP_POPULATE and MAP_LOCKED, but not with MAP_POPULATE and MAP_NONBLOCK", () => {
    for (const [flags, filled] of [
      [MapFlag.POPULATE, 3],
      [MAP_LOCKED, 3],
      [MapFlag.POPULATE | MAP_NONBLOCK, 0],
      [MAP_LOCKED | MapFlag.POPULATE | MAP_NONBLOCK, 3],
      [MAP_NONBLOCK, 0],
      [0, 0],
    ] as const) {
      const process = new Process();
      process.mmap(BASE, 3, RW, ANONYMOUS | flags);
      expect(readUserTables(process.machine, process.mm).pages.size).toBe(filled);
      expect(process.spaces.faults).toBe(0);
    }
  });

  it("replaces old mappings and maps different pages for each file", () => {
    const process = new Process();
    process.mmap(BASE, 3);
    process.touch(BASE, WRITE);
    process.mmap(BASE, 1, Prot.READ, FILE);
    process.mmap(BASE + 1, 1, Prot.READ, FILE);
    expect(frameOf(process.machine, BASE, process.mm.root)).toBe(-1);
    // Fault-around stops at the start of another file.
    expect([process.touch(BASE, READ), process.touch(BASE + 1, READ)]).toEqual([1, 1]);
  });
});

describe("brk", () => {
  it("starts the heap at its first argument, grows it with read and write rights, and shrinks it", () => {
    const process = new Process();
    const { spaces, mm } = process;
    expect(spaces.brk(mm, toVpn(BASE))).toBe(0);
    expect(spaces.protectionAt(mm, toVpn(BASE))).toBeUndefined();
    expect(spaces.brk(mm, toVpn(BASE + 4))).toBe(0);
    expect([BASE - 1, BASE, BASE + 3, BASE + 4].map((page) => spaces.protectionAt(mm, toVpn(page)))).toEqual([
      undefined,
      RW,
      RW,
      undefined,
    ]);
    process.touch(BASE + 3, WRITE);
    expect(spaces.brk(mm, toVpn(BASE + 4))).toBe(0);
    expect(spaces.brk(mm, toVpn(BASE + 2))).toBe(0);
    expect([BASE + 1, BASE + 2].map((page) => spaces.protectionAt(mm, toVpn(page)))).toEqual([RW, undefined]);
    expect(spaces.brk(mm, toVpn(BASE + 4))).toBe(0);
    expect(frameOf(process.machine, BASE + 3, mm.root)).toBe(-1);
    expect(process.touch(BASE + 3, READ)).toBe(1);
  });

  it("replaces mappings above the heap", () => {
    const { spaces, mm } = new Process();
    spaces.brk(mm, toVpn(BASE));
    spaces.mmap(mm, toVpn(BASE + 1), 1, Prot.READ, FILE);
    spaces.brk(mm, toVpn(BASE + 3));
    expect([0, 1, 2].map((i) => spaces.protectionAt(mm, toVpn(BASE + i)))).toEqual([RW, RW, RW]);
  });

  it("continues in the child at the end of the parent's heap", () => {
    const process = new Process();
    process.spaces.brk(process.mm, toVpn(BASE));
    process.spaces.brk(process.mm, toVpn(BASE + 2));
    process.fork();
    process.spaces.brk(process.mm, toVpn(BASE + 5));
    expect([1, 2, 4, 5].map((i) => process.spaces.protectionAt(process.mm, toVpn(BASE + i)))).toEqual([
      RW,
      RW,
      RW,
      undefined,
    ]);
    process.spaces.brk(process.mm, toVpn(BASE + 1));
    expect([0, 1].map((i) => process.spaces.protectionAt(process.mm, toVpn(BASE + i)))).toEqual([RW, undefined]);
  });

  it("is limited to the user half", () => {
    const { spaces, mm } = new Process();
    expect([MINIMUM - 1, END + 1, MINIMUM, END].map((page) => spaces.brk(mm, toVpn(page)))).toEqual([
      ENOMEM,
      ENOMEM,
      0,
      0,
    ]);
  });
});

describe("with 65,530 mappings", () => {
  it("no call can make another mapping: max_map_count", () => {
    const { spaces, mm } = new Process();
    for (let i = 0; i < 65_529; i++) spaces.mmap(mm, toVpn(BASE + 4 * i), 3, RW, ANONYMOUS);
    expect(spaces.brk(mm, toVpn(MINIMUM))).toBe(0);
    expect(spaces.mmap(mm, toVpn(BASE - 9), 3, RW, ANONYMOUS)).toBe(0);
    expect([
      spaces.mmap(mm, toVpn(BASE - 4), 1, RW, ANONYMOUS),
      spaces.mprotect(mm, toVpn(BASE), 3, Prot.READ),
      spaces.mremap(mm, toVpn(BASE), 3, toVpn(BASE - 4), 3),
      spaces.brk(mm, toVpn(MINIMUM + 1)),
      spaces.munmap(mm, toVpn(BASE + 1), 1),
      spaces.munmap(mm, toVpn(BASE + 1), 2),
      spaces.munmap(mm, toVpn(BASE), 2),
      spaces.madvise(mm, toVpn(BASE), 2, 10),
    ]).toEqual([ENOMEM, ENOMEM, ENOMEM, ENOMEM, ENOMEM, ENOMEM, ENOMEM, ENOMEM]);
    expect([spaces.madvise(mm, toVpn(BASE), 3, 10), spaces.munmap(mm, toVpn(BASE - 1), 4)]).toEqual([0, 0]);
    expect(spaces.mmap(mm, toVpn(BASE), 1, RW, ANONYMOUS)).toBe(0);
  });
});
