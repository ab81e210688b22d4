import { AddressSpaces, PageTableFormat, Tasks } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { describe, expect, test } from "vitest";
import { AREA, call, compare, exec, exit, fault, fork, machine, mmap, PAGE, replay, STACK } from "./support.js";
import type { Line } from "./support.js";

const CLONE_THREAD = 0x10f00;
const ENOMEM = -12;

/** Number of live tasks without the idle tasks. */
function tasksOf(machine: Machine): number {
  return [...machine.get(Tasks).all].length - machine.cpus.all.length;
}

/** Table pages below the top level of all address spaces. */
function tablesOf(machine: Machine): number {
  return [...machine.get(AddressSpaces).all].reduce((sum, { tablePages }) => sum + tablePages, 0);
}

/** clone of a thread. */
function thread(tid: number, child: number): Line[] {
  const args = { clone_flags: CLONE_THREAD, newsp: 0, parent_tidptr: 0, child_tidptr: 0, tls: 0 };
  const [enter, leave] = call(tid, "clone", args, child);
  return [enter!, fork(tid, child), leave!];
}

/** clone3, whose flags are in memory. */
function clone3(tid: number, child: number): Line[] {
  const [enter, leave] = call(tid, "clone3", { uargs: 0x1000, size: 88 }, child);
  return [enter!, fork(tid, child), leave!];
}

describe("threads", () => {
  test("execve by a thread that is not the leader ends the leader and gives the thread its tid", async () => {
    const on = machine();
    await replay([exec(7), ...mmap(7, AREA, 1), fault(7, AREA), ...thread(7, 8), fault(8, AREA), exec(7, 8)], {}, on);
    expect(tasksOf(on)).toBe(1);
    expect([...on.get(AddressSpaces).all]).toHaveLength(1);
    expect(tablesOf(on)).toBe(0);
  });

  test("a child of clone3 shares the address space and the process", async () => {
    const on = machine();
    const { trace } = await replay(
      [exec(7), ...mmap(7, AREA, 2), fault(7, AREA), ...clone3(7, 8), fault(8, AREA)],
      {},
      on,
    );
    expect([...on.get(AddressSpaces).all]).toHaveLength(1);
    expect(trace.processes).toBe(1);
  });

  test("a clone3 child that exits with group_dead is a process, and its record has its own pid", async () => {
    const child = [fault(8, AREA + 2048 * PAGE), ...exit(8)];
    const lines = [exec(7), ...mmap(7, AREA, 4096), fault(7, AREA), ...clone3(7, 8), ...child, ...exit(7)];
    const linux = await compare(lines, [8, 3], [7, 3]);
    expect(linux).toMatchObject({ processes: 2, equal: 2 });
  });

  test("an exit_group of a thread ends its process, and the record has the pid of the process", async () => {
    const lines = [
      exec(7),
      ...mmap(7, AREA, 1),
      fault(7, AREA),
      ...thread(7, 8),
      ...exit(8, false),
      ...exit(7).slice(1),
    ];
    expect(await compare(lines, [7, 2])).toMatchObject({ processes: 1, equal: 1 });
  });
});

describe("system calls", () => {
  test("madvise of a range with a hole advises the mapped parts", async () => {
    const on = machine();
    const dontneed = { start: AREA, len_in: 4 * PAGE, behavior: 4 };
    const lines = [exec(7), ...mmap(7, AREA, 1), ...mmap(7, AREA + 3 * PAGE, 1), fault(7, AREA)];
    await replay([...lines, ...call(7, "madvise", dontneed, ENOMEM), fault(7, AREA)], {}, on);
    expect(on.counters().userFaults).toBe(2);
  });

  test("other failed calls have no effect", async () => {
    const on = machine();
    const unmap = call(7, "munmap", { addr: AREA, len: PAGE }, ENOMEM);
    const { alreadyMapped } = await replay(
      [exec(7), ...mmap(7, AREA, 1), fault(7, AREA), ...unmap, fault(7, AREA)],
      {},
      on,
    );
    expect(alreadyMapped).toBe(1);
  });

  test("pkey_mprotect changes the protection like mprotect", async () => {
    const none = call(7, "mmap", { addr: 0, len: PAGE, prot: 0, flags: 0x22, fd: 0, off: 0 }, AREA);
    const change = (name: string, key: object): Line[] => call(7, name, { start: AREA, len: PAGE, prot: 3, ...key }, 0);
    const ends = [];
    for (const changed of [change("mprotect", {}), change("pkey_mprotect", { pkey: 1 })]) {
      const { counters, unexplainedFaults } = await replay([exec(7), ...none, ...changed, fault(7, AREA)]);
      expect(unexplainedFaults).toBe(0);
      ends.push(counters);
    }
    expect(ends[1]).toEqual(ends[0]);
  });

  test("mlock fills a range, and munlock changes no table", async () => {
    const on = machine();
    const lock = call(7, "mlock", { start: AREA + PAGE + 5, len: PAGE }, 0);
    const { counters } = await replay([exec(7), ...mmap(7, AREA, 4), ...lock], {}, on);
    // The range of bytes touches two pages.
    expect(counters.writesBySetter.set_pte).toBe(2);
    const unlock = call(7, "munlock", { start: AREA, len: 4 * PAGE }, 0);
    const both = await replay([exec(7), ...mmap(7, AREA, 4), ...lock, ...unlock]);
    expect(both.counters.tableWrites).toBe(counters.tableWrites);
  });

  test("mlock2 fills a range, except with MLOCK_ONFAULT", async () => {
    const written = async (flags: number): Promise<number> => {
      const lock = call(7, "mlock2", { start: AREA + PAGE, len: 2 * PAGE, flags }, 0);
      const { counters, trace } = await replay([exec(7), ...mmap(7, AREA, 4), ...lock]);
      expect(trace.refused).toBe(0);
      return counters.writesBySetter.set_pte;
    };
    expect(await written(0)).toBe(2);
    expect(await written(1)).toBe(0);
  });

  test("mlock2 with MLOCK_ONFAULT ends the filling of a locked range when it grows", async () => {
    const written = async (...lines: Line[]): Promise<number> => {
      const grow = call(7, "mremap", { addr: AREA, old_len: PAGE, new_len: 3 * PAGE, flags: 0, new_addr: 0 }, AREA);
      return (await replay([exec(7), ...mmap(7, AREA, 1), ...lines, ...grow])).counters.writesBySetter.set_pte;
    };
    const lock = (flags: number): Line[] => call(7, "mlock2", { start: AREA, len: PAGE, flags }, 0);
    expect(await written(...lock(0))).toBe(3);
    expect(await written(...lock(0), ...lock(1))).toBe(1);
  });

  test("mlockall fills current mappings, future mappings, or both, by its flags", async () => {
    const written = async (...lines: Line[]): Promise<number> =>
      (await replay([exec(7), ...lines])).counters.writesBySetter.set_pte;
    const all = (flags: number): Line[] => call(7, "mlockall", { flags }, 0);
    const later = mmap(7, AREA + 16 * PAGE, 3);
    expect(await written(...mmap(7, AREA, 4), ...all(1), ...later)).toBe(4);
    expect(await written(...mmap(7, AREA, 4), ...all(2), ...later)).toBe(3);
    expect(await written(...mmap(7, AREA, 4), ...all(3), ...later)).toBe(7);
    expect(await written(...mmap(7, AREA, 4), ...all(7), ...later)).toBe(0);
    const none = call(7, "munlockall", {}, 0);
    expect(await written(...mmap(7, AREA, 4), ...all(3), ...none, ...later)).toBe(4);
  });

  test("faults extend a shared memory segment, and shmdt removes all of it", async () => {
    const on = machine();
    const attach = call(7, "shmat", { shmid: 1, shmaddr: 0, shmflg: 0 }, AREA);
    const detach = call(7, "shmdt", { shmaddr: AREA }, 0);
    const lines = [exec(7), ...attach, fault(7, AREA), fault(7, AREA + 9 * PAGE), fault(7, AREA + 4 * PAGE)];
    const { unexplainedFaults, trace } = await replay([...lines, ...detach], {}, on);
    expect({ unexplainedFaults, refused: trace.refused, tables: tablesOf(on) }).toEqual({
      unexplainedFaults: 0,
      refused: 0,
      tables: 0,
    });
  });

  test("a child's write to shared memory copies no page", async () => {
    const attach = call(7, "shmat", { shmid: 1, shmaddr: 0, shmflg: 0 }, AREA);
    const [enter, leave] = call(7, "fork", {}, 8);
    const child = [enter!, fork(7, 8), leave!, fault(8, AREA)];
    const { counters } = await replay([exec(7), ...attach, fault(7, AREA), ...child]);
    expect(counters.writesBySetter.set_pte).toBe(2);
  });

  test("remap_file_pages replaces its range by a populated mapping", async () => {
    const file = call(7, "mmap", { addr: 0, len: 4 * PAGE, prot: 3, flags: 1, fd: 3, off: 0 }, AREA);
    const remap = call(7, "remap_file_pages", { start: AREA, size: 2 * PAGE, prot: 0, pgoff: 2, flags: 0 }, 0);
    const { counters, trace } = await replay([exec(7), ...file, ...remap]);
    expect(trace.refused).toBe(0);
    expect(counters.writesBySetter.set_pte).toBe(2);
  });
});

describe("faults", () => {
  test("the first fault on a stack also maps the page above, except in a program that started before the trace", async () => {
    const at = STACK + 2047 * PAGE;
    const on = machine();
    await replay([exec(7), fault(7, at)], {}, on);
    const fromBefore = machine();
    await replay([fault(7, at)], {}, fromBefore);
    // The page above is the first of another table.
    expect({ fresh: tablesOf(on), before: tablesOf(fromBefore) }).toEqual({ fresh: 3, before: 2 });
  });

  test("the stack area is that of the recorded kernel, which the addresses show", async () => {
    const { geometry } = machine().get(PageTableFormat);
    expect(2 ** geometry.pageShift).toBe(PAGE);
    // Below the stack area of the example kernel, above that of kernels with a smaller user half.
    const on = machine();
    await replay([exec(7), fault(7, STACK - 2 ** 40)], {}, on);
    expect(tablesOf(on)).toBe(2);
  });
});

describe("pages", () => {
  test("of 4 KiB are an error with a line on a machine with larger pages", async () => {
    const lines = [exec(7), ...mmap(7, AREA, 4), ...mmap(7, AREA + 0x1000, 1)];
    await expect(replay(lines)).rejects.toMatchObject({
      code: "ERR_TRACE_PAGE_SIZE",
      where: expect.stringMatching(/made\.perf-script\.txt:5$/) as string,
    });
  });

  test("of a kernel with the machine's page size or a larger one are replayed", async () => {
    const { trace } = await replay([exec(7), ...mmap(7, AREA, 4), ...mmap(7, AREA + 0x10000, 4), fault(7, AREA + 5)]);
    expect(trace.refused).toBe(0);
  });

  test("a call with an unaligned address is refused", async () => {
    const { trace } = await replay([exec(7), ...call(7, "munmap", { addr: AREA + 5, len: PAGE }, 0)]);
    expect(trace.refused).toBe(1);
  });
});
