import { toBytes } from "@kpkeys/core";
import { PageTableFormat, PageTables, toLevel, toPfn } from "@kpkeys/core/contracts";
import type { ByteOrder } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { byteOrders } from "../support/arches.js";
import { boot, entryOf } from "../support/machine.js";
import { BASE, Process } from "../support/process.js";
import { readUserTables } from "../support/tables.js";

const ORDERS: readonly ByteOrder[] = ["little", "big"];
const PAIRS = ORDERS.flatMap((data) => ORDERS.map((entries) => [data, entries] as const));
/** Frame of a leaf with PAGE_KERNEL_RO. */
const PFN = 0x12345;
/** Bytes of the leaf of frame 0x12345, from bit 63 down: V and L; frame << 14; R, C, privileged, read. */
const LEAF = [0xc0, 0x00, 0x00, 0x00, 0x48, 0xd1, 0x41, 0x8c];
/** The same of frame 0x12346. */
const NEXT = [0xc0, 0x00, 0x00, 0x00, 0x48, 0xd1, 0x81, 0x8c];

describe.each(PAIRS)("on a %s-endian kernel, entries in %s-endian order", (data, entries) => {
  const inOrder = (bytes: readonly number[]): readonly number[] => (entries === "big" ? bytes : bytes.toReversed());

  it("have these bytes in memory, from every setter", () => {
    const machine = boot({}, { arch: byteOrders(data, entries) });
    const { memory } = machine;
    const tables = machine.get(PageTables);
    const format = machine.get(PageTableFormat);
    const table = tables.allocTable("kernel")!;
    const bytes = (index: number): number[] => [...toBytes(memory.read(table, index), memory.byteOrder)];
    const leaf = format.makeLeaf(toLevel(2), toPfn(PFN), format.protections.PAGE_KERNEL_RO);

    tables.setPte(table, 3, leaf);
    tables.setPtes(table, 4, leaf, 2);
    expect([3, 4, 5].map(bytes)).toEqual([LEAF, LEAF, NEXT].map(inOrder));
    expect(tables.read(table, 5)).toEqual({ high: leaf.high, low: leaf.low + 2 ** 14 });
    expect(tables.pmdpEstablish(table, 3, format.makeOld(leaf))).toEqual(leaf);
    expect(bytes(3)).toEqual(inOrder([...LEAF.slice(0, 6), 0x40, 0x8c]));
    expect(tables.ptepGetAndClear(table, 4)).toEqual(leaf);
    expect([bytes(4), tables.ptepTestAndClearYoung(table, 5)]).toEqual([Array(8).fill(0), true]);
    expect(bytes(5)).toEqual(inOrder([...NEXT.slice(0, 6), 0x80, 0x8c]));
  });

  it("are found by the hardware walk and the scan, in which a process has run", () => {
    const process = new Process(boot({}, { arch: byteOrders(data, entries) }));
    process.mmap(BASE, 3, 7);
    process.touch(BASE, 2);
    process.touch(BASE + 2, 1);
    const { machine, mm } = process;
    expect([...readUserTables(machine, mm).pages.keys()]).toEqual([BASE, BASE + 2]);
    expect(entryOf(machine, BASE, mm.root).type).toBe("leaf");
    const scanned = machine.scan().map(({ pfn }) => pfn);
    expect(scanned).toEqual(expect.arrayContaining([mm.root, ...readUserTables(machine, mm).tables]));
  });
});
