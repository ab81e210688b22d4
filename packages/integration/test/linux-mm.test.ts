import { Access, MapFlag, Prot, toVpn } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { ARCHES, machine } from "./machines.js";
import { Process } from "./process.js";

/** A place that begins a table of every level. */
const BASE = 0x100_0000_0;
/** Pages that a table of the last level maps, and one of the level above. */
const TABLE = 512;
const UPPER = 512 * 512;

const ANONYMOUS = MapFlag.PRIVATE | MapFlag.ANONYMOUS;
const RW = Prot.READ | Prot.WRITE;
const MADV = { DONTNEED: 4, DONTFORK: 10, WIPEONFORK: 18, POPULATE_READ: 22, POPULATE_WRITE: 23, GUARD_INSTALL: 102 };
const MREMAP_DONTUNMAP = 4;
const ENOMEM = -12;
/** The result of touch when no mapping allows the access. */
const DENIED = undefined;
const EINVAL = -22;

/** Tables in VmPTE: three tables (PUD, PMD, PTE) for the first page touched anywhere. */
describe.each(ARCHES)("tables of a process as Linux 6.18 has them, on %s:", (arch) => {
  const start = (): Process => new Process(machine(arch));
  const written = (process: Process, ...pages: number[]): void => {
    for (const page of pages) expect(process.touch(page, Access.WRITE)).toBeGreaterThan(0);
  };

  describe("fork", () => {
    it("copies the tables of anonymous memory that was written, and of no other", () => {
      const process = start();
      process.spaces.mmap(process.mm, toVpn(BASE), TABLE, RW, ANONYMOUS);
      process.spaces.mmap(process.mm, toVpn(BASE + UPPER), TABLE, RW, ANONYMOUS | 0x4000);
      process.spaces.mmap(process.mm, toVpn(BASE + 2 * UPPER), TABLE, RW, MapFlag.SHARED | MapFlag.ANONYMOUS);
      process.spaces.mmap(process.mm, toVpn(BASE + 3 * UPPER), TABLE, Prot.READ, MapFlag.PRIVATE);
      written(process, BASE, BASE + 2 * UPPER);
      process.touch(BASE + UPPER, Access.READ);
      process.touch(BASE + 3 * UPPER, Access.READ);
      expect(process.tables).toBe(1 + 4 * 2);
      process.fork();
      expect(process.tables).toBe(3);
    });

    it("copies a written file mapping whole, pages that were only read included", () => {
      const process = start();
      process.spaces.mmap(process.mm, toVpn(BASE), 2 * TABLE, RW, MapFlag.PRIVATE);
      process.touch(BASE, Access.READ);
      written(process, BASE + TABLE);
      process.fork();
      expect(process.tables).toBe(4);
      expect(process.touch(BASE, Access.READ)).toBe(0);
    });

    it("copies tables that hold nothing any more", () => {
      const process = start();
      process.spaces.mmap(process.mm, toVpn(BASE), TABLE, RW, ANONYMOUS);
      written(process, BASE);
      process.spaces.madvise(process.mm, toVpn(BASE), 1, MADV.DONTNEED);
      process.fork();
      expect(process.tables).toBe(3);
    });

    it("makes upper tables where the parent has them, with nothing below", () => {
      const process = start();
      process.spaces.mmap(process.mm, toVpn(BASE), 1, RW, MapFlag.SHARED | MapFlag.ANONYMOUS);
      process.spaces.mmap(process.mm, toVpn(BASE + TABLE), UPPER, RW, ANONYMOUS);
      written(process, BASE, BASE + UPPER);
      expect(process.tables).toBe(1 + 2 + 2);
      process.fork();
      expect(process.tables).toBe(1 + 1 + 2);
    });

    it("leaves out what is DONTFORK, and empties what is WIPEONFORK", () => {
      const process = start();
      for (const [i, advice] of [MADV.DONTFORK, MADV.WIPEONFORK].entries()) {
        process.spaces.mmap(process.mm, toVpn(BASE + i * UPPER), TABLE, RW, ANONYMOUS);
        written(process, BASE + i * UPPER);
        process.spaces.madvise(process.mm, toVpn(BASE + i * UPPER), TABLE, advice);
      }
      process.fork();
      expect(process.tables).toBe(0);
      expect(process.touch(BASE, Access.READ)).toBe(DENIED);
      expect(process.touch(BASE + UPPER, Access.WRITE)).toBe(1);
    });

    it("copies the read pages of a mapping that merged with a written neighbour", () => {
      const process = start();
      process.spaces.mmap(process.mm, toVpn(BASE), TABLE, RW, ANONYMOUS);
      written(process, BASE);
      process.spaces.mmap(process.mm, toVpn(BASE + TABLE), TABLE, RW, ANONYMOUS);
      process.touch(BASE + TABLE, Access.READ);
      process.fork();
      expect(process.tables).toBe(4);
    });

    it("does not let an inherited anon_vma spread", () => {
      const process = start();
      process.spaces.mmap(process.mm, toVpn(BASE), TABLE, RW, ANONYMOUS);
      written(process, BASE);
      process.fork();
      process.spaces.mmap(process.mm, toVpn(BASE + TABLE), TABLE, RW, ANONYMOUS);
      process.touch(BASE + TABLE, Access.READ);
      process.fork();
      expect(process.tables).toBe(3);
    });
  });

  describe("madvise", () => {
    it("DONTNEED frees a table that it empties from end to end, and no other", () => {
      const process = start();
      process.spaces.mmap(process.mm, toVpn(BASE), 3 * TABLE, RW, ANONYMOUS);
      written(process, BASE, BASE + TABLE, BASE + 2 * TABLE);
      process.spaces.madvise(process.mm, toVpn(BASE + 1), 3 * TABLE - 2, MADV.DONTNEED);
      expect(process.tables).toBe(4);
      expect(process.touch(BASE, Access.READ)).toBe(0);
      expect(process.touch(BASE + TABLE, Access.WRITE)).toBe(1);
      expect(process.tables).toBe(5);
    });

    it("POPULATE_READ and POPULATE_WRITE fill without a fault; only the latter makes fork copy", () => {
      for (const [advice, copied] of [
        [MADV.POPULATE_READ, 0],
        [MADV.POPULATE_WRITE, 4],
      ] as const) {
        const process = start();
        process.spaces.mmap(process.mm, toVpn(BASE), 2 * TABLE, RW, ANONYMOUS);
        process.spaces.madvise(process.mm, toVpn(BASE), 2 * TABLE, advice);
        expect(process.tables).toBe(4);
        expect(process.touch(BASE + TABLE + 7, Access.READ)).toBe(0);
        process.fork();
        expect(process.tables).toBe(copied);
      }
    });

    it("GUARD_INSTALL makes the tables that its markers need", () => {
      const process = start();
      process.spaces.mmap(process.mm, toVpn(BASE), 2 * TABLE, RW, ANONYMOUS);
      process.spaces.madvise(process.mm, toVpn(BASE), TABLE + 1, MADV.GUARD_INSTALL);
      expect(process.tables).toBe(4);
    });
  });

  describe("mmap", () => {
    it("over a mapping frees its tables first", () => {
      const process = start();
      process.spaces.mmap(process.mm, toVpn(BASE), TABLE, RW, ANONYMOUS);
      written(process, BASE);
      process.spaces.mmap(process.mm, toVpn(BASE), TABLE, RW, ANONYMOUS | MapFlag.FIXED);
      expect(process.tables).toBe(0);
    });

    it.each([
      ["MAP_POPULATE", 0x8000, 3],
      ["MAP_LOCKED", 0x2000, 3],
      ["MAP_POPULATE with MAP_NONBLOCK", 0x18000, 0],
    ])("with %s", (_, flag, tables) => {
      const process = start();
      process.spaces.mmap(process.mm, toVpn(BASE), TABLE, RW, ANONYMOUS | flag);
      expect(process.tables).toBe(tables);
    });

    it("fills nothing without rights, and a denied access makes no table", () => {
      const process = start();
      process.spaces.mmap(process.mm, toVpn(BASE), TABLE, 0, ANONYMOUS | MapFlag.POPULATE);
      expect(process.touch(BASE, Access.READ)).toBe(DENIED);
      expect(process.tables).toBe(0);
    });

    it("refuses ranges outside the user's half, below 64 KiB, or is one mapping too many", () => {
      const { spaces, mm } = start();
      expect(spaces.mmap(mm, toVpn(15), 1, RW, ANONYMOUS)).toBe(ENOMEM);
      expect(spaces.mmap(mm, toVpn(0xffff_8000_0000_0), 1, RW, ANONYMOUS)).toBe(ENOMEM);
      expect(spaces.mmap(mm, toVpn(BASE), 2 ** 52, RW, ANONYMOUS)).toBe(ENOMEM);
      expect(spaces.munmap(mm, toVpn(BASE), 2 ** 52)).toBe(EINVAL);
      expect(spaces.mremap(mm, toVpn(BASE), 1, toVpn(2 ** 51), 1)).toBe(EINVAL);
      for (let i = 0; i < 65530; i++) expect(spaces.mmap(mm, toVpn(BASE + 2 * i), 1, RW, ANONYMOUS)).toBe(0);
      expect(spaces.mmap(mm, toVpn(BASE + 2 * 65530), 1, RW, ANONYMOUS)).toBe(ENOMEM);
    });
  });

  describe("mremap", () => {
    it("leaves the old tables to the unmapping that follows, and makes new ones where there were some", () => {
      const process = start();
      process.spaces.mmap(process.mm, toVpn(BASE), 3 * TABLE, RW, ANONYMOUS);
      written(process, BASE + 5, BASE + 2 * TABLE + 5);
      expect(process.tables).toBe(4);
      process.spaces.mremap(process.mm, toVpn(BASE), 3 * TABLE, toVpn(BASE + UPPER + 7), 3 * TABLE);
      // Each old table spans two new ones.
      expect(process.tables).toBe(1 + 1 + 2 * 2);
      expect(process.touch(BASE + UPPER + 12, Access.READ)).toBe(0);
      expect(process.touch(BASE + UPPER + 2 * TABLE + 12, Access.READ)).toBe(0);
    });

    it("with DONTUNMAP moves whole tables where they fit, else leaves the old ones empty", () => {
      for (const [to, tables] of [
        [BASE + TABLE * 4, 3],
        [BASE + TABLE * 4 + 7, 4 + 1],
      ] as const) {
        const process = start();
        process.spaces.mmap(process.mm, toVpn(BASE), TABLE, RW, ANONYMOUS);
        written(process, BASE, BASE + TABLE - 1);
        process.spaces.mremap(process.mm, toVpn(BASE), TABLE, toVpn(to), TABLE, MREMAP_DONTUNMAP);
        expect(process.tables).toBe(tables);
        expect(process.touch(to, Access.READ)).toBe(0);
        expect(process.touch(BASE, Access.WRITE)).toBe(1);
      }
    });

    it("of several mappings moves each by itself: pages under a gap of the old range stay", () => {
      const process = start();
      for (const page of [BASE, BASE + 20]) process.spaces.mmap(process.mm, toVpn(page), 10, Prot.READ, ANONYMOUS);
      process.spaces.mmap(process.mm, toVpn(BASE + TABLE), 30, RW, ANONYMOUS);
      written(process, BASE + TABLE + 5, BASE + TABLE + 15);
      process.spaces.mremap(process.mm, toVpn(BASE), 30, toVpn(BASE + TABLE), 30);
      expect(process.touch(BASE + TABLE + 5, Access.WRITE)).toBe(DENIED);
      expect(process.touch(BASE + TABLE + 15, Access.WRITE)).toBe(0);
    });

    it("of length 0 maps shared memory a second time", () => {
      const process = start();
      process.spaces.mmap(process.mm, toVpn(BASE), TABLE, RW, MapFlag.SHARED | MapFlag.ANONYMOUS);
      written(process, BASE);
      process.spaces.mremap(process.mm, toVpn(BASE), 0, toVpn(BASE + UPPER), TABLE);
      expect(process.touch(BASE, Access.READ)).toBe(0);
      expect(process.touch(BASE + UPPER, Access.READ)).toBe(1);
    });
  });

  describe("brk and stack", () => {
    it("a heap that shrinks frees the tables wholly above its new end", () => {
      const process = start();
      process.spaces.brk(process.mm, toVpn(BASE));
      process.spaces.brk(process.mm, toVpn(BASE + 3 * TABLE));
      written(process, BASE, BASE + TABLE, BASE + 2 * TABLE);
      process.spaces.brk(process.mm, toVpn(BASE + TABLE + 1));
      expect(process.tables).toBe(4);
    });

    it("a stack keeps its distance from what is below it, and has its anon_vma even if it may grow no more", () => {
      const process = start();
      const stack = BASE + 4 * TABLE;
      process.spaces.mmap(process.mm, toVpn(BASE), 1, RW, ANONYMOUS);
      process.spaces.mmap(process.mm, toVpn(stack), TABLE, RW, ANONYMOUS | MapFlag.GROWSDOWN);
      process.touch(stack, Access.READ);
      process.fork();
      expect(process.tables).toBe(0);
      process.touch(stack, Access.READ);
      expect(process.touch(BASE + 255, Access.WRITE)).toBe(DENIED);
      process.fork();
      expect(process.tables).toBe(0);
      process.touch(stack, Access.READ);
      expect(process.touch(BASE + 300, Access.WRITE)).toBe(DENIED);
      process.fork();
      expect(process.tables).toBe(3);
      expect(process.touch(BASE + 600, Access.WRITE)).toBe(1);
    });
  });
});
