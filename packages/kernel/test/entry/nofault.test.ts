import { toBytes } from "@kpkeys/core";
import { Errno, Exceptions, LinearMap, PageAllocator, toPfn } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { byteOrders } from "../support/arches.js";
import { boot } from "../support/machine.js";

describe("copy_to_kernel_nofault", () => {
  const machine = boot();
  const exceptions = machine.get(Exceptions);
  const map = machine.get(LinearMap);
  const pfn = machine.get(PageAllocator).alloc(0)!;

  it("stores all bytes in little-endian order", () => {
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
    expect(exceptions.copyToKernelNofault(map.address(pfn, 8), bytes)).toBe(0);
    expect([0, 1, 2, 3].map((index) => machine.memory.read(pfn, index))).toEqual([
      { high: 0, low: 0 },
      { high: 0x08070605, low: 0x04030201 },
      { high: 0x100f0e0d, low: 0x0c0b0a09 },
      { high: 0, low: 0 },
    ]);
  });

  it("stores all bytes in big-endian order on a big-endian kernel", () => {
    const big = boot({}, { arch: byteOrders("big", "big") });
    const page = big.get(PageAllocator).alloc(0)!;
    const bytes = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
    expect(big.get(Exceptions).copyToKernelNofault(big.get(LinearMap).address(page, 8), bytes)).toBe(0);
    expect([1, 2].map((index) => big.memory.read(page, index))).toEqual([
      { high: 0x01020304, low: 0x05060708 },
      { high: 0x090a0b0c, low: 0x0d0e0f10 },
    ]);
    expect(big.get(Exceptions).copyFromKernelNofault(big.get(LinearMap).address(page, 8), 16)).toEqual(bytes);
  });

  it("stores a part of a larger buffer", () => {
    const part = new Uint8Array([0, ...toBytes({ high: -1, low: 7 }, "little"), 0]).subarray(1, 9);
    expect(exceptions.copyToKernelNofault(map.address(pfn, 0), part)).toBe(0);
    expect(machine.memory.read(pfn, 0)).toEqual({ high: -1, low: 7 });
  });

  it("stores nothing for a length of 0, even at an unmapped address", () => {
    expect(exceptions.copyToKernelNofault({ high: 0, low: 0x1000 }, new Uint8Array(0))).toBe(0);
  });

  it("returns -EFAULT at the first fault and keeps the words stored before", () => {
    const last = toPfn(machine.memory.endPfn - 1);
    const bytes = Uint8Array.from({ length: 16 }, () => 0x11);
    const before = machine.cpus.current.counters.faults;
    expect(exceptions.copyToKernelNofault(map.address(last, 2 ** machine.memory.pageShift - 8), bytes)).toBe(
      Errno.EFAULT,
    );
    expect(machine.memory.read(last, 2 ** (machine.memory.pageShift - 3) - 1)).toEqual({
      high: 0x11111111,
      low: 0x11111111,
    });
    expect(machine.cpus.current.counters.faults).toBe(before + 1);
  });

  it.each([
    [4, 8],
    [0, 4],
    [1, 16],
  ])("rejects offset %i with %i bytes", (offset, length) => {
    expect(() => exceptions.copyToKernelNofault(map.address(pfn, offset), new Uint8Array(length))).toThrow(
      expect.objectContaining({ code: "ERR_API_MISUSE" }),
    );
  });
});

describe("copy_from_kernel_nofault", () => {
  const machine = boot();
  const exceptions = machine.get(Exceptions);
  const map = machine.get(LinearMap);
  const pfn = machine.get(PageAllocator).alloc(0)!;
  const last = toPfn(machine.memory.endPfn - 1);
  const lastWord = 2 ** (machine.memory.pageShift - 3) - 1;

  it("loads all bytes in little-endian order", () => {
    machine.memory.write(pfn, 1, { high: 0x08070605, low: 0x04030201 });
    machine.memory.write(pfn, 2, { high: -1, low: 0x0c0b0a09 });
    const bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xff, 0xff, 0xff, 0xff];
    expect(exceptions.copyFromKernelNofault(map.address(pfn, 8), 16)).toEqual(Uint8Array.from(bytes));
  });

  it("loads what copy_to_kernel_nofault has stored, over a page boundary", () => {
    const bytes = Uint8Array.from({ length: 24 }, (_, i) => 0xf0 ^ (i * 7));
    const address = map.address(toPfn(last - 1), lastWord * 8);
    expect(exceptions.copyToKernelNofault(address, bytes)).toBe(0);
    expect(exceptions.copyFromKernelNofault(address, 24)).toEqual(bytes);
    expect(machine.memory.read(last, 0)).toMatchObject({ low: new DataView(bytes.buffer).getInt32(8, true) });
  });

  it("loads nothing for a length of 0, even at an unmapped address", () => {
    expect(exceptions.copyFromKernelNofault({ high: 0, low: 0x1000 }, 0)).toEqual(new Uint8Array(0));
  });

  it("returns -EFAULT if a later word faults, with one fault", () => {
    const { counters } = machine.cpus.current;
    const before = counters.faults;
    expect(exceptions.copyFromKernelNofault(map.address(last, lastWord * 8), 16)).toBe(Errno.EFAULT);
    expect(counters.faults).toBe(before + 1);
  });

  it.each([
    [4, 8],
    [0, 4],
    [0, -8],
  ])("rejects offset %i with %i bytes", (offset, length) => {
    expect(() => exceptions.copyFromKernelNofault(map.address(pfn, offset), length)).toThrow(
      expect.objectContaining({ code: "ERR_API_MISUSE" }),
    );
  });
});
