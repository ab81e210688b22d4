import { provide, resolve } from "@kpkeys/core";
import {
  Access,
  AddressSpaces,
  CpuFactory,
  Exceptions,
  FAULT,
  LinearMap,
  MapFlag,
  PageAllocator,
  PageTables,
  Privilege,
  Prot,
  toVpn,
} from "@kpkeys/core/contracts";
import type { Cpu, ExtensionPoints } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { KernelMm } from "../../src/process/mm.js";
import { variant } from "../support/arches.js";
import { boot, entryOf, ENTRIES, frameOf, PAGE_SHIFT, record } from "../support/machine.js";
import type { Call } from "../support/machine.js";
import { ANONYMOUS, BASE, DENIED, FILE, Process, RW, SHARED } from "../support/process.js";
import { readUserTables } from "../support/tables.js";

const { READ, WRITE, RMW, FETCH } = Access;
/** RLIMIT_STACK of 8 MiB, and stack_guard_gap, in pages. */
const STACK = (8 << 20) >> PAGE_SHIFT;
const GUARD = 256;

/** The present pages of a range, relative to its start. */
function present(process: Process, from: number, to: number): number[] {
  const { pages } = readUserTables(process.machine, process.mm);
  return [...pages.keys()].filter((page) => page >= from && page < to).map((page) => page - from);
}

describe("an access", () => {
  it.each([
    [0, [DENIED, DENIED, DENIED, DENIED]],
    [Prot.READ, [1, DENIED, DENIED, DENIED]],
    [Prot.WRITE, [1, 1, 1, DENIED]],
    [Prot.EXEC, [1, DENIED, DENIED, 1]],
    [RW, [1, 1, 1, DENIED]],
    [7, [1, 1, 1, 1]],
  ])("of a page with rights %d is allowed by them; write and execute imply read", (prot, expected) => {
    const process = new Process();
    process.mmap(BASE, 4, prot);
    expect([READ, WRITE, RMW, FETCH].map((access, i) => process.touch(BASE + i, access))).toEqual(expected);
  });

  it("of anonymous memory reads the zero page, which the first write replaces", () => {
    const process = new Process();
    const free = (): number => process.machine.get(PageAllocator).freePages;
    process.mmap(BASE, 3);
    const before = free();
    process.touch(BASE, READ);
    process.touch(BASE + 1, READ);
    const zero = frameOf(process.machine, BASE, process.mm.root);
    expect(frameOf(process.machine, BASE + 1, process.mm.root)).toBe(zero);
    expect(before - free()).toBe(2);
    expect([process.touch(BASE, WRITE), process.touch(BASE, WRITE)]).toEqual([1, 0]);
    expect(frameOf(process.machine, BASE, process.mm.root)).not.toBe(zero);
    expect(before - free()).toBe(3);
    process.fork();
    process.touch(BASE, WRITE);
    process.touch(BASE + 1, WRITE);
    expect(frameOf(process.machine, BASE + 1, process.mm.root)).not.toBe(zero);
  });

  it("of uaccess takes an exception from kernel mode, a user access does not", () => {
    const calls: Call[] = [];
    const process = new Process(
      boot(
        {},
        {
          attach: record(["exceptionEntry", "exceptionExit"], calls),
        },
      ),
    );
    process.mmap(BASE, 4);
    const uaccess = (page: number): number => process.spaces.touch(process.mm, toVpn(page), WRITE, Privilege.UACCESS)!;
    const { counters } = process.machine.get(Exceptions);
    const before = counters.entries;
    process.touch(BASE, WRITE);
    expect([counters.entries - before, calls]).toEqual([0, []]);
    expect([uaccess(BASE + 1), uaccess(BASE + 9)]).toEqual([1, DENIED]);
    expect(counters.entries - before).toBe(2);
    expect(calls).toEqual([["exceptionEntry"], ["exceptionExit"], ["exceptionEntry"], ["exceptionExit"]]);
  });

  it("by the user synchronises the key register at exception entry and return", () => {
    // AMR: key 0 is not writable, no other key has rights.
    const closed = 0xbfffffff | 0;
    const taken = new Process();
    taken.mmap(BASE, 1);
    taken.machine.cpus.current.writePkeyRegister(closed, -1);
    // Pages with key 0 are not writable now. Without hardening table pages have key 0.
    expect(() => taken.touch(BASE, READ)).toThrow(expect.objectContaining({ code: "ERR_KERNEL_FAULT" }) as Error);

    let unlocked = (): void => undefined;
    const attach = (points: ExtensionPoints): void => {
      points.on("tableUnlocking", () => {
        unlocked();
      });
    };
    const returned = new Process(boot({}, { attach }));
    const cpu = returned.machine.cpus.current;
    returned.mmap(BASE, 2);
    returned.touch(BASE, READ);
    unlocked = () => {
      cpu.writePkeyRegister(closed, -1);
    };
    expect(returned.touch(BASE + 1, READ)).toBe(1);
    const linear = returned.machine.get(LinearMap);
    const { root } = returned.machine.get(PageTables);
    expect(cpu.store64(linear.address(root).high, linear.address(root).low, 0, 0)).toBe(FAULT);
    expect(cpu.counters.unsynchronised).toBe(0);
  });

  it("that always faults is an oops after the eighth fault", () => {
    let deaf = false;
    const arch = variant((container) => {
      const factory = resolve(container, CpuFactory);
      provide(container, CpuFactory, {
        create(id) {
          const cpu = factory.create(id);
          return Object.assign(Object.create(cpu) as Cpu, {
            access: (...args: Parameters<Cpu["access"]>) => (deaf ? FAULT : cpu.access(...args)),
          });
        },
      });
    });
    const process = new Process(boot({}, { arch }));
    process.mmap(BASE, 1);
    process.touch(BASE, READ);
    const before = process.machine.get(AddressSpaces).faults;
    deaf = true;
    expect(() => process.touch(BASE, READ)).toThrow(expect.objectContaining({ code: "ERR_KERNEL_FAULT" }) as Error);
    expect(process.machine.get(AddressSpaces).faults - before).toBe(8);
  });

  it("throws ERR_OUT_OF_MEMORY without a free page", () => {
    const process = new Process();
    process.mmap(BASE, 3 * ENTRIES);
    process.touch(BASE, WRITE);
    while (process.machine.get(PageAllocator).alloc(0) !== undefined);
    const memory = expect.objectContaining({ code: "ERR_OUT_OF_MEMORY" }) as Error;
    expect(() => process.touch(BASE + 1, WRITE)).toThrow(memory);
    expect(() => process.touch(BASE + ENTRIES, READ)).toThrow(memory);
    expect(process.tables).toBe(2);
  });
});

describe("a read of a file", () => {
  it.each([FILE, MapFlag.SHARED, SHARED])("maps the missing pages of its 64 KiB window (flags %d)", (flags) => {
    const process = new Process();
    process.mmap(BASE, 16, RW, flags);
    process.touch(BASE + 6, WRITE);
    const written = frameOf(process.machine, BASE + 6, process.mm.root);
    expect(present(process, BASE, BASE + 16)).toEqual([6]);
    expect(process.touch(BASE + 5, READ)).toBe(1);
    expect(present(process, BASE, BASE + 16).sort((a, b) => a - b)).toEqual([4, 5, 6, 7]);
    expect(frameOf(process.machine, BASE + 6, process.mm.root)).toBe(written);
    const frames = [4, 5, 6, 7].map((i) => frameOf(process.machine, BASE + i, process.mm.root));
    expect(new Set(frames).size).toBe(4);
    expect(process.spaces.faults).toBe(2);
  });

  it("maps nothing outside the mapping", () => {
    const process = new Process();
    process.mmap(BASE + 1, 2, RW, FILE);
    process.mmap(BASE + 3, 1, RW, FILE);
    process.touch(BASE + 1, READ);
    expect(present(process, BASE, BASE + 8)).toEqual([1, 2]);
  });

  it("of a shared mapping gets a page that is later written in place", () => {
    const process = new Process();
    process.mmap(BASE, 1, RW, SHARED);
    process.touch(BASE, READ);
    const frame = frameOf(process.machine, BASE, process.mm.root);
    expect([process.touch(BASE, WRITE), process.touch(BASE, WRITE)]).toEqual([1, 0]);
    expect(frameOf(process.machine, BASE, process.mm.root)).toBe(frame);
  });

  it("of a private mapping gets a page of the file, which a write copies", () => {
    const process = new Process();
    process.mmap(BASE, 1, RW, FILE);
    process.touch(BASE, READ);
    const frame = frameOf(process.machine, BASE, process.mm.root);
    const { freePages } = process.machine.get(PageAllocator);
    expect(process.touch(BASE, WRITE)).toBe(1);
    expect(frameOf(process.machine, BASE, process.mm.root)).not.toBe(frame);
    expect(process.machine.get(PageAllocator).freePages).toBe(freePages);
  });
});

describe("a write to a write-protected page", () => {
  it("reuses an exclusive page, else copies it", () => {
    const process = new Process();
    const free = (): number => process.machine.get(PageAllocator).freePages;
    process.mmap(BASE, 1);
    process.touch(BASE, WRITE);
    const frame = frameOf(process.machine, BASE, process.mm.root);
    const parent = process.fork();
    const before = free();
    expect(process.touch(BASE, WRITE)).toBe(1);
    expect(frameOf(process.machine, BASE, process.mm.root)).not.toBe(frame);
    expect(before - free()).toBe(1);
    process.run(parent);
    expect(process.touch(BASE, WRITE)).toBe(1);
    expect([frameOf(process.machine, BASE, process.mm.root), before - free()]).toEqual([frame, 1]);
  });

  it("invalidates the old translation", () => {
    const process = new Process();
    process.mmap(BASE, 1);
    process.touch(BASE, WRITE);
    const parent = process.fork();
    process.run(parent);
    expect(process.touch(BASE, READ)).toBe(0);
    const before = process.machine.counters().tlbInvalidations;
    process.touch(BASE, WRITE);
    expect(process.machine.counters().tlbInvalidations - before).toBe(1);
  });
});

describe("a stack, MAP_GROWSDOWN,", () => {
  const STACK_FLAGS = ANONYMOUS | MapFlag.GROWSDOWN;
  const start = (): Process => {
    const process = new Process();
    process.mmap(BASE, 2, RW, STACK_FLAGS);
    return process;
  };

  it("grows down to a fault below it, up to 8 MiB", () => {
    const process = start();
    expect(process.touch(BASE - 3, WRITE)).toBe(1);
    expect([-4, -3, -2, -1, 0].map((i) => process.spaces.protectionAt(process.mm, toVpn(BASE + i)))).toEqual([
      undefined,
      RW,
      RW,
      RW,
      RW,
    ]);
    expect(process.touch(BASE + 2 - STACK - 1, WRITE)).toBe(DENIED);
    expect(process.touch(BASE + 2 - STACK, WRITE)).toBe(1);
    expect(process.spaces.protectionAt(process.mm, toVpn(BASE + 2 - STACK))).toBe(RW);
  });

  it("does not grow upward; other mappings do not grow", () => {
    const process = new Process();
    process.mmap(BASE, 2);
    expect([process.touch(BASE - 1, READ), process.touch(BASE + 2, READ)]).toEqual([DENIED, DENIED]);
    const other = start();
    expect(other.touch(BASE + 2, READ)).toBe(DENIED);
  });

  it.each([
    ["a mapping", RW, ANONYMOUS, DENIED],
    ["a mapping without rights", 0, ANONYMOUS, 1],
    ["another stack", RW, ANONYMOUS | MapFlag.GROWSDOWN, 1],
  ])("keeps a gap of 256 pages above an accessible mapping: %s", (_, prot, flags, inside) => {
    const process = start();
    const end = BASE - 300;
    process.mmap(end - 4, 4, prot, flags);
    expect(process.touch(end + GUARD - 1, WRITE)).toBe(inside);
    expect(process.touch(end + GUARD, WRITE)).toBe(inside === 1 ? 0 + 1 : 1);
  });

  it("gets an anon_vma at the first fault below it, even a rejected one, so fork copies its read-only pages", () => {
    for (const [below, copies] of [
      [BASE + 2 - STACK - 1, 1],
      [BASE + 5, 0],
    ] as const) {
      const process = start();
      process.touch(BASE, READ);
      expect(process.touch(below, READ)).toBe(DENIED);
      process.fork();
      expect(readUserTables(process.machine, process.mm).pages.size).toBe(copies);
    }
  });

  it("does not allow an access without the right when it grows", () => {
    const process = start();
    expect(process.touch(BASE - 1, FETCH)).toBe(DENIED);
  });
});

describe("a range that is populated", () => {
  const populate = (process: Process, pages: number, advice: number): void => {
    expect(process.spaces.madvise(process.mm, toVpn(BASE), pages, advice)).toBe(0);
  };
  const [POPULATE_READ, POPULATE_WRITE] = [22, 23];

  it("is populated for writing if it is private, else for reading; MADV_POPULATE selects the access", () => {
    for (const [prot, flags, writable] of [
      [RW, ANONYMOUS, true],
      [RW, SHARED, false],
      [Prot.READ, ANONYMOUS, false],
    ] as const) {
      const process = new Process();
      process.mmap(BASE, 2, prot, flags | MapFlag.POPULATE);
      const { pages } = readUserTables(process.machine, process.mm);
      expect([...pages.values()].map((page) => page.writable)).toEqual([writable, writable]);
    }
    const process = new Process();
    process.mmap(BASE, 2, RW, SHARED);
    populate(process, 2, POPULATE_WRITE);
    expect([...readUserTables(process.machine, process.mm).pages.values()].map((page) => page.writable)).toEqual([
      true,
      true,
    ]);
  });

  it("ends at a hole and at a mapping without the right", () => {
    for (const [prot, advice, filled] of [
      [0, POPULATE_READ, 2],
      [Prot.READ, POPULATE_WRITE, 2],
      [Prot.READ, POPULATE_READ, 4],
    ] as const) {
      const process = new Process();
      process.mmap(BASE, 2);
      process.mmap(BASE + 2, 1, prot);
      process.mmap(BASE + 3, 1);
      populate(process, 6, advice);
      expect(present(process, BASE, BASE + 8)).toHaveLength(filled);
    }
    const process = new Process();
    process.mmap(BASE, 1);
    process.mmap(BASE + 2, 1);
    populate(process, 3, POPULATE_READ);
    expect(present(process, BASE, BASE + 8)).toEqual([0]);
  });

  it("keeps present pages, and write-populates pages that were only read", () => {
    const process = new Process();
    process.mmap(BASE, 2);
    populate(process, 2, POPULATE_READ);
    const zero = frameOf(process.machine, BASE, process.mm.root);
    const before = process.machine.counters().tableWrites;
    populate(process, 2, POPULATE_READ);
    expect(process.machine.counters().tableWrites).toBe(before);
    populate(process, 2, POPULATE_WRITE);
    const frames = [0, 1].map((i) => frameOf(process.machine, BASE + i, process.mm.root));
    expect([frames.includes(zero), new Set(frames).size]).toEqual([false, 2]);
    const after = process.machine.counters().tableWrites;
    populate(process, 2, POPULATE_WRITE);
    populate(process, 2, POPULATE_READ);
    expect([process.machine.counters().tableWrites, process.spaces.faults]).toEqual([after, 0]);
  });
});

it("a written page is dirty and young from the start, a read page is clean and young", () => {
  const process = new Process();
  process.mmap(BASE, 2);
  process.touch(BASE, READ);
  process.touch(BASE + 1, WRITE);
  const { pages } = readUserTables(process.machine, process.mm);
  expect([pages.get(BASE), pages.get(BASE + 1)]).toMatchObject([
    { young: true, dirty: false, writable: false },
    { young: true, dirty: true, writable: true },
  ]);
});

it("the first private write assigns the anon_vma of a mapping, a read or a shared write does not", () => {
  for (const [flags, access, has] of [
    [ANONYMOUS, WRITE, true],
    [ANONYMOUS, READ, false],
    [SHARED, WRITE, false],
    [FILE, WRITE, true],
  ] as const) {
    const process = new Process();
    process.mmap(BASE, 1, RW, flags);
    process.touch(BASE, access);
    expect(KernelMm.of(process.mm).vmas.find(toVpn(BASE))!.anonVma !== 0).toBe(has);
  }
  const process = new Process();
  process.mmap(BASE, 1, RW, FILE);
  process.touch(BASE, READ);
  process.touch(BASE, WRITE);
  expect(KernelMm.of(process.mm).vmas.find(toVpn(BASE))!.anonVma).not.toBe(0);
});

it("the lock of a table is held while its entry changes", () => {
  const calls: Call[] = [];
  const process = new Process(
    boot(
      {},
      {
        attach: record(["tableLocked", "tableUnlocking"], calls),
      },
    ),
  );
  process.mmap(BASE, 1);
  process.touch(BASE, WRITE);
  calls.length = 0;
  process.touch(BASE, READ);
  expect(calls).toEqual([]);
  process.mmap(BASE + 1, 1);
  process.touch(BASE + 1, READ);
  const { table } = entryOf(process.machine, BASE, process.mm.root);
  expect(calls).toEqual([
    ["tableLocked", table],
    ["tableUnlocking", table],
  ]);
});
