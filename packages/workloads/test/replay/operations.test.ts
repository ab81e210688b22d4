import { AddressSpaces, LazyMmu, Prot, Tasks, toVpn } from "@kpkeys/core/contracts";
import { createPluginRegistry } from "@kpkeys/core";
import { buildMachine, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { describe, expect, test } from "vitest";
import { oddArch } from "../../../../examples/odd-arch/src/index.js";
import { replayFile } from "../../src/node/index.js";
import {
  AREA,
  call,
  compare,
  exec,
  exit,
  fault,
  file,
  fork,
  machine,
  mmap,
  PAGE,
  recording,
  replay,
  STACK,
} from "../support.js";
import type { Line } from "../support.js";

const EINVAL = -22;
const [READ, WRITE, FETCH] = [4, 6, 20] as const;

/** The protection of the only process's pages from an address on; -1 for a page that is not mapped. */
function rightsOf(on: Machine, address: number, pages: number): number[] {
  const spaces = on.get(AddressSpaces);
  const [mm] = [...spaces.all];
  return Array.from({ length: pages }, (_, i) => spaces.protectionAt(mm!, toVpn(address / PAGE + i)) ?? -1);
}

/** Replays a program on a new machine. @returns the machine */
async function machineAfter(...lines: Line[]): Promise<Machine> {
  const on = machine();
  const { trace } = await replay([exec(7), ...lines], {}, on);
  expect(trace.refused).toBe(0);
  return on;
}

const range = (start: number, pages: number): Record<string, number> => ({ start, len: pages * PAGE });
const unmap = (start: number, pages: number): Line[] => call(7, "munmap", { addr: start, len: pages * PAGE }, 0);
const remap = (from: number, pages: number, newPages: number, flags: number, to: number): Line[] =>
  call(7, "mremap", { addr: from, old_len: pages * PAGE, new_len: newPages * PAGE, flags, new_addr: 0 }, to);
const kernelFault = (tid: number, address: number, code: number): Line => {
  const [of, text] = fault(tid, address, code);
  return [of, text.replace("page_fault_user", "page_fault_kernel")];
};
const switchTo = (tid: number, next: number): Line => [
  tid,
  `sched:sched_switch: prev_comm=a prev_pid=${tid} prev_prio=120 prev_state=R ==> next_comm=b next_pid=${next} next_prio=120`,
];

describe("a successful call", () => {
  test("mmap maps the length rounded up, at the returned address, with its protection and flags", async () => {
    const args = { addr: 0x1234, len: PAGE + 1, prot: 5, flags: 0x22, fd: 0, off: 0 };
    const on = await machineAfter(...call(7, "mmap", args, AREA));
    expect(rightsOf(on, AREA - PAGE, 4)).toEqual([-1, 5, 5, -1]);
    const populated = await machineAfter(...mmap(7, AREA, 3, 0x8022));
    expect([...populated.get(AddressSpaces).all][0]!.tablePages).toBe(2);
  });

  test("munmap, mprotect and madvise use their address argument", async () => {
    const on = await machineAfter(
      ...mmap(7, AREA, 6),
      fault(7, AREA + 5 * PAGE),
      ...unmap(AREA + PAGE, 2),
      ...call(7, "mprotect", { ...range(AREA + 3 * PAGE, 2), prot: 1 }, 0),
      ...call(7, "madvise", { start: AREA + 5 * PAGE, len_in: PAGE - 1, behavior: 4 }, 0),
      fault(7, AREA + 5 * PAGE),
    );
    expect(rightsOf(on, AREA, 7)).toEqual([3, -1, -1, 1, 1, 3, -1]);
    expect(on.counters().userFaults).toBe(2);
  });

  test("mprotect and madvise with length 0 do nothing", async () => {
    const on = await machineAfter(
      ...mmap(7, AREA, 1),
      ...call(7, "mprotect", { ...range(AREA, 0), prot: 1 }, 0),
      ...call(7, "madvise", { start: AREA, len_in: 0, behavior: 4 }, 0),
    );
    expect(rightsOf(on, AREA, 1)).toEqual([3]);
  });

  test("mremap moves to the returned address, by its flags", async () => {
    const to = AREA + 32 * PAGE;
    const moved = await machineAfter(...mmap(7, AREA, 2), ...remap(AREA, 2, 3, 1, to));
    expect([rightsOf(moved, AREA, 2), rightsOf(moved, to, 4)]).toEqual([
      [-1, -1],
      [3, 3, 3, -1],
    ]);
    const kept = await machineAfter(...mmap(7, AREA, 2), ...remap(AREA, 2, 2, 5, to));
    expect([rightsOf(kept, AREA, 2), rightsOf(kept, to, 2)]).toEqual([
      [3, 3],
      [3, 3],
    ]);
    const grown = await machineAfter(...mmap(7, AREA, 2), ...remap(AREA, 2, 4, 1, AREA));
    expect(rightsOf(grown, AREA, 5)).toEqual([3, 3, 3, 3, -1]);
  });

  test("the first brk sets the start of the heap", async () => {
    const heap = 0x40_0000_0000;
    const brk = (end: number): Line[] => call(7, "brk", { brk: end }, end);
    const on = await machineAfter(...brk(heap), ...brk(heap + 3 * PAGE - 5), ...brk(heap + 2 * PAGE));
    expect(rightsOf(on, heap - PAGE, 5)).toEqual([-1, 3, 3, -1, -1]);
  });

  test.each([
    [0, 3],
    [0o10000, 1],
    [0o100000, 7],
    [0o110000, 5],
  ])("shmat with the flags %d gives the protection %d", async (shmflg, rights) => {
    const on = await machineAfter(...call(7, "shmat", { shmid: 1, shmaddr: 0, shmflg }, AREA));
    expect(rightsOf(on, AREA, 2)).toEqual([rights, -1]);
  });

  test("a fault extends the segment that ends below it, and shmdt removes the segment at its address", async () => {
    const attach = (address: number): Line[] => call(7, "shmat", { shmid: 1, shmaddr: 0, shmflg: 0 }, address);
    const second = AREA + 64 * PAGE;
    const on = machine();
    const lines = [...attach(second), ...attach(AREA), fault(7, AREA + 5 * PAGE), fault(7, second + 2 * PAGE)];
    const { inferredMappings } = await replay([exec(7), ...lines, ...call(7, "shmdt", { shmaddr: AREA }, 0)], {}, on);
    expect(inferredMappings).toBe(2);
    expect([rightsOf(on, AREA, 7), rightsOf(on, second, 4)]).toEqual([Array(7).fill(-1), [3, 3, 3, -1]]);
    const gone = await replay([exec(7), ...call(7, "shmdt", { shmaddr: AREA }, 0)]);
    expect(gone.trace.refused).toBe(1);
  });

  test("remap_file_pages keeps the protection of the mapping, fills it without MAP_NONBLOCK, and needs a mapping", async () => {
    const shared = call(7, "mmap", { addr: 0, len: 4 * PAGE, prot: 1, flags: 1, fd: 3, off: 0 }, AREA);
    const change = (flags: number): Line[] =>
      call(7, "remap_file_pages", { start: AREA + PAGE, size: 2 * PAGE, prot: 0, pgoff: 2, flags }, 0);
    const on = await machineAfter(...shared, ...change(0));
    expect([rightsOf(on, AREA, 5), on.counters().writesBySetter.set_pte > 0]).toEqual([[1, 1, 1, 1, -1], true]);
    const { counters } = await replay([exec(7), ...shared, ...change(0x10000)]);
    expect(counters.writesBySetter.set_pte).toBe(0);
    expect((await replay([exec(7), ...change(0)])).trace.refused).toBe(1);
  });

  test("mlock and munlock of ranges inside pages, also across 4 GiB", async () => {
    const base = 0x3f00_ffff_c000;
    const lock = (name: string, start: number, len: number): Line[] => call(7, name, { start, len }, 0);
    const written = async (...lines: Line[]): Promise<number> =>
      (await replay([exec(7), ...mmap(7, base, 4), ...lines])).counters.writesBySetter.set_pte;
    expect(await written(...lock("mlock", base + 5, PAGE))).toBe(2);
    expect(await written(...lock("mlock", base + 5, 1))).toBe(1);
    expect(await written(...lock("mlock", base, 0))).toBe(0);
    expect(await written(...lock("mlock", base, 2 * PAGE))).toBe(2);
    expect(await written(...lock("munlock", base, 0), ...lock("munlock", base + 1, PAGE))).toBe(0);
  });

  test("process_madvise adds a limit, because its effect is in no recording", async () => {
    const args = { pidfd: 3, vec: 0x1000, vlen: 1, behavior: 20, flags: 0 };
    const { trace } = await replay([exec(7), ...call(7, "process_madvise", args, 4096)]);
    expect([trace.refused, trace.limits.length]).toEqual([0, 1]);
    const failed = await replay([exec(7), ...call(7, "process_madvise", args, EINVAL)]);
    expect(failed.trace.limits).toEqual([]);
  });
});

describe("a call that failed, or that the model refuses:", () => {
  const NAMES: readonly (readonly [string, Line[]])[] = [
    ["mmap", call(7, "mmap", { addr: 0, len: 0, prot: 3, flags: 0x22, fd: 0, off: 0 }, AREA)],
    ["munmap", call(7, "munmap", { addr: AREA, len: 0 }, 0)],
    ["mprotect", call(7, "mprotect", { start: 0, len: PAGE, prot: 1 }, 0)],
    ["mremap", remap(AREA, 1, 1, 1, AREA + 9 * PAGE)],
    ["brk", call(7, "brk", { brk: 0x1000 }, 0x1000)],
    ["madvise", call(7, "madvise", { start: 0, len_in: PAGE, behavior: 4 }, 0)],
    ["munmap of half a page", call(7, "munmap", { addr: AREA + 8, len: PAGE }, 0)],
    ["mprotect of half a page", call(7, "mprotect", { start: AREA + 8, len: PAGE, prot: 1 }, 0)],
    ["madvise of half a page", call(7, "madvise", { start: AREA + 8, len_in: PAGE, behavior: 4 }, 0)],
    ["mremap of half a page", remap(AREA + 8, 1, 1, 1, AREA + 9 * PAGE)],
    ["mremap to half a page", remap(AREA, 1, 1, 1, AREA + 8)],
    ["mmap at half a page", call(7, "mmap", { addr: 0, len: PAGE, prot: 3, flags: 0x22, fd: 0, off: 0 }, AREA + 8)],
    ["shmat at half a page", call(7, "shmat", { shmid: 1, shmaddr: 0, shmflg: 0 }, AREA + 8)],
    ["mlock of an unmapped range", call(7, "mlock", { start: 0x10, len: 8 }, 0)],
  ];

  test.each(NAMES)("%s is counted as refused if it succeeded on Linux", async (_, lines) => {
    const { trace } = await replay([exec(7), ...lines]);
    expect(trace.refused).toBe(1);
  });

  test("no failed call has an effect, except madvise with ENOMEM", async () => {
    for (const error of [EINVAL, -12]) {
      const on = machine();
      const failed = [
        call(7, "munmap", { addr: AREA, len: PAGE }, error),
        call(7, "mprotect", { ...range(AREA, 1), prot: 1 }, error),
        call(7, "mmap", { addr: 0, len: PAGE, prot: 1, flags: 0x22, fd: 0, off: 0 }, error),
        call(7, "madvise", { start: AREA, len_in: PAGE, behavior: 4 }, error),
      ].flat();
      const { trace, alreadyMapped } = await replay(
        [exec(7), ...mmap(7, AREA, 1), fault(7, AREA), ...failed, fault(7, AREA)],
        {},
        on,
      );
      expect([trace.refused, alreadyMapped, rightsOf(on, AREA, 1)]).toEqual([0, error === EINVAL ? 1 : 0, [3]]);
    }
  });
});

describe("a fault is replayed as an access:", () => {
  test.each([
    [READ, 1, 0],
    [WRITE, 1, 1],
    [FETCH, 1, 1],
    [READ, 4, 0],
    [WRITE, 4, 1],
    [FETCH, 4, 0],
    [WRITE, 3, 0],
  ])("error code %d in a mapping with protection %d leaves %d unexplained", async (code, prot, unexplained) => {
    const args = { addr: 0, len: PAGE, prot, flags: 0x22, fd: 0, off: 0 };
    const { unexplainedFaults, counters } = await replay([
      exec(7),
      ...call(7, "mmap", args, AREA),
      fault(7, AREA, code),
    ]);
    expect([unexplainedFaults, counters.userFaults]).toEqual([unexplained, 1 - unexplained]);
  });

  test("on a mapped page it is counted, and outside the user half it is unexplained", async () => {
    const lines = [
      exec(7),
      ...mmap(7, AREA, 1),
      fault(7, AREA),
      fault(7, AREA, READ),
      fault(7, 2 ** 46),
      fault(7, 2 ** 46 - PAGE),
    ];
    const { alreadyMapped, unexplainedFaults, inferredMappings } = await replay(lines);
    expect({ alreadyMapped, unexplainedFaults, inferredMappings }).toEqual({
      alreadyMapped: 1,
      unexplainedFaults: 1,
      inferredMappings: 1,
    });
  });

  test("a kernel fault is taken from kernel mode", async () => {
    const on = machine();
    await replay([exec(7), ...mmap(7, AREA, 2), kernelFault(7, AREA, 2), kernelFault(7, AREA + PAGE, 0)], {}, on);
    expect(on.counters().userFaults).toBe(2);
  });

  test("a mapping of execve is inferred: a stack for a write in the stack area, else a page of a file", async () => {
    const on = machine();
    const image = 0x40_0000;
    const lines = [fault(7, STACK + 9 * PAGE), fault(7, image, FETCH), fault(7, STACK + 99 * PAGE, READ)];
    const { inferredMappings, unexplainedFaults } = await replay([exec(7), ...lines], {}, on);
    expect({ inferredMappings, unexplainedFaults }).toEqual({ inferredMappings: 3, unexplainedFaults: 0 });
    expect([rightsOf(on, STACK + 8 * PAGE, 4), rightsOf(on, image, 2)]).toEqual([
      [-1, 7, 7, -1],
      [7, -1],
    ]);
    // A fault below a stack extends it; an inferred page of a file does not grow.
    const grown = machine();
    await replay([exec(7), fault(7, STACK + 9 * PAGE), fault(7, STACK + 7 * PAGE)], {}, grown);
    expect(rightsOf(grown, STACK + 6 * PAGE, 5)).toEqual([-1, 7, 7, 7, 7]);
  });

  test("far from the images, above the heap and in the first pages it is unexplained", async () => {
    const image = 0x40_0000;
    const GIB = 2 ** 30;
    const heap = image + 64 * PAGE;
    const brk = call(7, "brk", { brk: heap }, heap);
    const of = async (...lines: Line[]): Promise<number[]> => {
      const { inferredMappings, unexplainedFaults } = await replay([exec(7), ...lines]);
      return [inferredMappings, unexplainedFaults];
    };
    expect(await of(fault(7, image, FETCH), fault(7, image + GIB / 2, FETCH))).toEqual([2, 0]);
    expect(await of(fault(7, 0x8000, READ))).toEqual([0, 1]);
    expect(await of(fault(7, 0x10000, READ))).toEqual([1, 0]);
    expect(await of(fault(7, image, FETCH), ...brk, fault(7, heap, READ), fault(7, heap - PAGE, READ))).toEqual([2, 1]);
    expect(await of(...brk, fault(7, image, FETCH), fault(7, heap + 8 * 2 ** 30, READ))).toEqual([1, 1]);
    // A program that started before the trace may have any mapping.
    const { inferredMappings } = await replay([...brk, fault(7, heap, READ)]);
    expect(inferredMappings).toBe(1);
  });

  test("a sample is a write if the mapping allows it, else a fetch or a read", async () => {
    const sample = (address: number): Line => [7, `page-faults: ${address.toString(16)}`];
    const map = (prot: number, i: number): Line[] =>
      call(7, "mmap", { addr: 0, len: PAGE, prot, flags: 0x22, fd: 0, off: 0 }, AREA + i * PAGE);
    const lines = [exec(7), ...map(3, 0), ...map(1, 1), ...map(4, 2)];
    const text = [0, 1, 2].map((i) => sample(AREA + i * PAGE));
    const on = machine();
    const { trace, unexplainedFaults } = await replay([...lines, ...text], {}, on);
    if (trace.events > lines.length) expect([unexplainedFaults, on.counters().userFaults]).toEqual([0, 3]);
  });
});

describe("threads and processes", () => {
  test("vfork and clone with CLONE_VM share the address space; fork and clone without it copy it", async () => {
    const of = async (name: string, args: Record<string, number>): Promise<number[]> => {
      const on = machine();
      const [enter, leave] = call(7, name, args, 8);
      const { trace } = await replay(
        [exec(7), ...mmap(7, AREA, 1), fault(7, AREA), enter!, fork(7, 8), leave!],
        {},
        on,
      );
      return [[...on.get(AddressSpaces).all].length, trace.processes];
    };
    const clone = (clone_flags: number): Record<string, number> => ({
      clone_flags,
      newsp: 0,
      parent_tidptr: 0,
      child_tidptr: 0,
      tls: 0,
    });
    expect(await of("vfork", {})).toEqual([1, 2]);
    expect(await of("fork", {})).toEqual([2, 2]);
    expect(await of("clone", clone(0x100))).toEqual([1, 2]);
    expect(await of("clone", clone(0x10100))).toEqual([1, 1]);
    expect(await of("clone", clone(0))).toEqual([2, 2]);
  });

  test("a child has a copy of its parent's mappings, heap and stack", async () => {
    const [enter, leave] = call(7, "fork", {}, 8);
    const on = machine();
    const { alreadyMapped, unexplainedFaults } = await replay(
      [
        exec(7),
        ...mmap(7, AREA, 2),
        fault(7, AREA),
        enter!,
        fork(7, 8),
        leave!,
        fault(8, AREA, READ),
        ...unmap(AREA, 2),
        fault(8, AREA + PAGE),
        fault(7, 0x20),
      ],
      {},
      on,
    );
    expect({ alreadyMapped, unexplainedFaults }).toEqual({ alreadyMapped: 1, unexplainedFaults: 1 });
  });

  test("a reused tid ends the old thread", async () => {
    const [enter, leave] = call(7, "fork", {}, 8);
    const on = machine();
    await replay([exec(7), enter!, fork(7, 8), leave!, enter!, fork(7, 8), leave!], {}, on);
    expect([...on.get(Tasks).all]).toHaveLength(3);
  });

  test("a pid column shows that a child of clone3 is a process", async () => {
    const [enter, leave] = call(7, "clone3", { uargs: 0x1000, size: 88 }, 8);
    const events: [string, string][] = [
      ["7/7", exec(7)[1]],
      ["7/7", enter![1]],
      ["7/7", fork(7, 8)[1]],
      ["7/7", leave![1]],
      ["8/8", fault(8, 0x40_0000)[1]],
      ["8/8", fault(8, 0x40_4000)[1]],
    ];
    const text = events.map(([ids, event], i) => `  prog ${ids} [000] ${i + 1}.000000: ${event}\n`).join("");
    const of = async (lines: string): Promise<number> =>
      (await replayFile(machine(), file("ids.perf-script.txt", lines))).trace.processes;
    expect(await of(text)).toBe(2);
    expect(await of(text.replaceAll("8/8", "7/8"))).toBe(1);
  });

  test("the exit of an unknown thread has no effect", async () => {
    const on = machine();
    await replay([exec(7), ...exit(9).slice(1), ...exit(7)], {}, on);
    expect([...on.get(AddressSpaces).all]).toEqual([]);
  });

  test("a switch runs the next thread, or the idle task for an unknown thread", async () => {
    const on = machine();
    const [enter, leave] = call(7, "fork", {}, 8);
    const current: number[] = [];
    const tasks = on.get(Tasks);
    const path = recording(
      exec(7),
      enter!,
      fork(7, 8),
      leave!,
      switchTo(7, 8),
      switchTo(8, 0),
      switchTo(0, 7),
      switchTo(7, 99),
    );
    await replayFile(on, path, { before: () => current.push(tasks.current.tid) });
    current.push(tasks.current.tid);
    // Before each event, and after the last: idle 0, thread 7 is 1, thread 8 is 2.
    expect(current).toEqual([0, 1, 1, 1, 1, 2, 0, 1, 0]);
  });

  test("each event runs on its CPU, modulo the number of the machine's CPUs", async () => {
    const spec = { ...DEFAULT_SPEC, arch: oddArch.id, features: [], memory: [{ bytes: 96 * 2 ** 20 }], cpus: 2 };
    const on = buildMachine(spec, createPluginRegistry([oddArch]));
    const events = [
      [7, 0],
      [8, 1],
      [9, 3],
      [7, 2],
    ] as const;
    const text = events.map(
      ([tid, cpu], i) => `  prog ${tid} [00${cpu}] ${i + 1}.000000: ${fault(tid, 0x40_0000)[1]}\n`,
    );
    const cpus: number[] = [];
    await replayFile(on, file("cpus.perf-script.txt", text.join("")), { before: () => cpus.push(on.cpus.current.id) });
    // Before each event, and after the last.
    expect([...cpus, on.cpus.current.id]).toEqual([0, 0, 1, 1, 0]);
  });

  test("execve switches to the new address space at the first kernel write", async () => {
    const execve = { filename: 0x1000, argv: 0x1000, envp: 0x1000 };
    const [enter, leave] = call(7, "execve", execve, 0);
    const on = machine();
    const { unexplainedFaults, trace } = await replay(
      [
        exec(7),
        ...mmap(7, AREA, 2),
        enter!,
        kernelFault(7, AREA, 0),
        kernelFault(7, STACK + 5 * PAGE, 2),
        kernelFault(7, STACK + 4 * PAGE, 2),
        exec(7),
        leave!,
        fault(7, STACK + 3 * PAGE),
      ],
      {},
      on,
    );
    expect([unexplainedFaults, trace.processes]).toEqual([0, 1]);
    expect([rightsOf(on, AREA, 2), rightsOf(on, STACK + 2 * PAGE, 6)]).toEqual([
      [-1, -1],
      [-1, 7, 7, 7, 7, -1],
    ]);
    const again = await machineAfter(
      enter!,
      kernelFault(7, STACK + 5 * PAGE, 2),
      exec(7),
      leave!,
      enter!,
      kernelFault(7, STACK + 9 * PAGE, 2),
      exec(7),
      leave!,
    );
    expect(rightsOf(again, STACK + 5 * PAGE, 1)).toEqual([-1]);
  });
});

describe("a replay", () => {
  const LINES: readonly Line[] = [
    exec(7),
    ...mmap(7, AREA, 2 * 2048),
    fault(7, AREA),
    fault(7, AREA + 2048 * PAGE),
    ...exit(7),
  ];

  test("counts the machine's work since its start", async () => {
    const on = machine();
    const first = await replay(LINES, {}, on);
    const second = await replay(LINES, {}, on);
    expect(second.counters).toEqual(first.counters);
    const { tablesAllocated, tablesFreed, userFaults } = first.counters;
    expect({ tablesAllocated, tablesFreed, userFaults }).toEqual({ tablesAllocated: 4, tablesFreed: 4, userFaults: 2 });
  });

  test("calls onPeak before an exit with 25 % more table pages, and does not count its work", async () => {
    const on = machine();
    const plain = await replay(LINES);
    const live: number[] = [];
    const onPeak = (): void => {
      const { tablesAllocated, tablesFreed } = on.counters();
      live.push(tablesAllocated - tablesFreed);
      const lazy = on.get(LazyMmu);
      lazy.enable();
      lazy.disable();
      on.get(AddressSpaces).put(on.get(AddressSpaces).create());
    };
    const again = [...LINES, exec(8), ...mmap(8, AREA, 1), fault(8, AREA), ...exit(8)];
    const { counters } = await replay([...LINES, ...again.slice(LINES.length)], { onPeak }, on);
    expect(live).toHaveLength(1);
    expect(counters.tablesAllocated).toBe(plain.counters.tablesAllocated + 3);
    expect(counters.tablesFreed).toBe(counters.tablesAllocated);
  });

  test("audits the tables after every event, or every 1,000 events and at each exit_group", async () => {
    const scans = async (check: "step" | "sampled"): Promise<number> => (await replay(LINES, { check })).check!.scans;
    expect([await scans("step"), await scans("sampled")]).toEqual([2 + LINES.length, 3]);
    expect((await replay(LINES)).check).toBeNull();
    const { check } = await replay(LINES, { check: "step" });
    expect([check!.mode, check!.open, check!.pages]).toEqual(["step", check!.pages, check!.pages]);
    expect(check!.gaps.map(({ line }) => line)).toContain(0);
    expect(check!.gaps.filter(({ source }) => source === "user").every(({ line }) => line > 0)).toBe(true);
    const ids = check!.gaps.map(({ source, level, mapping }) => `${source} ${level} ${mapping}`);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test("adds the line of the trace to an error of the machine", async () => {
    const lines = [exec(7), ...mmap(7, AREA, 4096, 0x8022)];
    await expect(replay(lines)).rejects.toMatchObject({
      code: "ERR_OUT_OF_MEMORY",
      where: expect.stringMatching(/:3$/) as string,
    });
  });

  test("is compared with Linux process by process, up to its end", async () => {
    expect(await compare(LINES, [7, 3])).toEqual({ processes: 1, equal: 1, differences: [] });
    const { differences } = await compare(LINES, [7, 4]);
    expect(differences).toMatchObject([{ pid: 7, name: "prog", model: 3, kernel: 4 }]);
    const vmpte = file("made.vmpte.txt", `7 1 prog ${(3 * PAGE) / 1024} 0 0\n8 1 prog 4 0 0\n9 1 perf 4 0 0\n`);
    const whole = await replay(LINES, { vmpte });
    expect(whole.linux).toMatchObject({ processes: 2, equal: 1, differences: [{ pid: 8, model: 0 }] });
    const part = await replay(LINES, { vmpte, until: { events: LINES.length } });
    expect(part.linux).toMatchObject({ processes: 1, equal: 1 });
    expect((await replay(LINES)).linux).toBeNull();
    const stopped = await replay(LINES, { vmpte, stop: () => false });
    expect(stopped.linux).toMatchObject({ processes: 2 });
  });

  test("reports progress from 0 to 1", async () => {
    const shares: number[] = [];
    const { trace } = await replay(LINES, { until: { events: 3 }, onProgress: (share) => shares.push(share) });
    expect([trace.events, trace.until]).toEqual([3, { events: 3 }]);
    for (const share of shares) expect(share).toBeLessThanOrEqual(1);
  });
});

test("an inferred mapping has all rights, because no recording has its protection", async () => {
  const on = machine();
  await replay([exec(7), fault(7, 0x40_0000, READ)], {}, on);
  expect(rightsOf(on, 0x40_0000, 1)).toEqual([Prot.READ | Prot.WRITE | Prot.EXEC]);
});
