import {
  KernelMemory,
  LinearMap,
  NULL,
  PageAllocator,
  pageOf,
  physAddrOf,
  StaticTablePages,
  toPfn,
} from "@kpkeys/core/contracts";
import type { Pfn, PhysAddr } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KernelImage } from "../../src/boot/image.js";
import { boot, ENTRIES, entryOf, frameOf, kernelService } from "../support/machine.js";

const PAGE = 16384;
const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

describe("the kernel's loads and stores of its data", () => {
  // RAM spans more than 4 GiB, so that addresses carry into the high word.
  const machine = boot({ memory: [{ bytes: 96 * 2 ** 20 }, { start: 6 * 2 ** 30, bytes: 64 * 2 ** 20 }] });
  const memory = machine.get(KernelMemory);
  const linear = machine.get(LinearMap);
  const pages = Array.from({ length: 8 }, () => machine.get(PageAllocator).alloc(0)!);
  const at = (pfn: Pfn, offset = 0): PhysAddr => physAddrOf(pfn, 14, offset);
  const physical = (pfn: number, index: number): [number, number] => {
    const { high, low } = machine.memory.read(toPfn(pfn), index);
    return [high, low];
  };

  it("access the physical address", () => {
    expect(pages.some((pfn) => (pfn - machine.memory.firstPfn) * PAGE >= 2 ** 32)).toBe(true);
    fc.assert(
      fc.property(fc.constantFrom(...pages.slice(4)), fc.nat(ENTRIES - 1), word, word, (pfn, index, high, low) => {
        const address = at(pfn, index * 8);
        memory.store(address, high, low, "test");
        expect(physical(pfn, index)).toEqual([high, low]);
        memory.load(address, "test");
        expect([memory.valueHigh, memory.valueLow]).toEqual([high, low]);
        expect(memory.linearAddress(address)).toEqual({
          high: linear.address(pfn).high,
          low: linear.address(pfn).low + index * 8,
        });
      }),
    );
    expect(memory.pageBytes).toBe(PAGE);
  });

  it("store pointers as linear addresses, NULL as 0, and detect invalid pointers", () => {
    const [pointer, to] = [at(pages[0]!, 16), at(pages[1]!, 24)];
    memory.storePointer(pointer, to, "test");
    expect(physical(pages[0]!, 2)).toEqual([linear.address(pages[1]!).high, linear.address(pages[1]!).low + 24]);
    expect(memory.loadPointer(pointer, "test")).toBe(to);
    memory.storePointer(pointer, NULL, "test");
    expect([physical(pages[0]!, 2), memory.loadPointer(pointer, "test")]).toEqual([[0, 0], NULL]);
    memory.store(pointer, 0, 4096, "test");
    expect(memory.loadPointer(pointer, "test")).toBeUndefined();
    memory.store(pointer, 1, 0, "test");
    expect(memory.loadPointer(pointer, "test")).toBeUndefined();
  });

  it("copy the given number of bytes", () => {
    for (let i = 0; i < 6; i++) {
      memory.store(at(pages[2]!, 8 * i), i + 1, -i, "test");
      memory.store(at(pages[3]!, 8 * i), 0, 0, "test");
    }
    memory.copy(at(pages[3]!, 8), at(pages[2]!), 32, "test");
    expect([0, 1, 2, 3, 4, 5].map((i) => physical(pages[3]!, i))).toEqual([
      [0, 0],
      [1, 0],
      [2, -1],
      [3, -2],
      [4, -3],
      [0, 0],
    ]);
  });

  it("retry after a fault if a feature repaired the cause, else oops", () => {
    for (const repairs of [true, false]) {
      let restore = (): void => undefined;
      const booted = boot(
        {},
        {
          attach: (points) => {
            points.on("kernelFault", () => (restore(), repairs));
          },
        },
      );
      const pfn = booted.get(PageAllocator).alloc(0)!;
      const leaf = entryOf(booted, Number(0xffffc00000000000n >> 14n) + pfn - booted.memory.firstPfn);
      const data = booted.get(KernelMemory);
      for (const act of [
        () => {
          data.store(at(pfn), 1, 2, "test");
        },
        () => {
          data.load(at(pfn), "test");
        },
      ]) {
        booted.memory.writeEntry(toPfn(leaf.table), leaf.index, { high: 0, low: 0 });
        booted.cpus.current.mmu.invalidateAll();
        restore = () => {
          if (repairs) booted.memory.writeEntry(toPfn(leaf.table), leaf.index, leaf);
        };
        if (repairs) expect(act).not.toThrow();
        else expect(act).toThrow(expect.objectContaining({ code: "ERR_KERNEL_FAULT" }) as Error);
      }
    }
  });
});

describe("the linear map", () => {
  const machine = boot({ memory: [{ bytes: 96 * 2 ** 20 }, { start: 2 ** 30 + 128 * 2 ** 20, bytes: 8 * 2 ** 20 }] });
  const linear = machine.get(LinearMap);
  const { firstPfn, endPfn, banks } = machine.memory;

  it("converts page frames and addresses, except in holes and outside RAM", () => {
    for (let pfn = firstPfn - 2; pfn < endPfn + 2; pfn++) {
      const isRam = banks.some((bank) => pfn >= bank.firstPfn && pfn < bank.firstPfn + bank.pages);
      const address = 0xffffc00000000000n + BigInt(pfn - firstPfn) * 16384n;
      const [high, low] = [Number(BigInt.asIntN(32, address >> 32n)), Number(BigInt.asIntN(32, address))];
      expect(linear.pfnOf(pageOf({ high, low }, 14))).toBe(isRam ? pfn : undefined);
      if (isRam)
        expect([linear.address(toPfn(pfn)), linear.pageOf(toPfn(pfn))]).toEqual([
          { high, low },
          pageOf({ high, low }, 14),
        ]);
    }
  });

  it("does not contain the image's addresses, such as the address of init_mm", () => {
    const image = kernelService(machine, StaticTablePages, KernelImage);
    const { high, low } = linear.imageAddress();
    const page = pageOf({ high, low }, 14);
    expect([frameOf(machine, page), linear.pfnOf(page), low & (PAGE - 1)]).toEqual([image.initMm, undefined, 0]);
  });

  it("has struct pages of 64 bytes in the vmemmap", () => {
    for (const i of [0, 1, 255, 256, 5000]) {
      const address = 0xfffff00000000000n + BigInt(i * 64);
      const { high, low } = linear.structPage(toPfn(firstPfn + i));
      expect((BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)).toBe(address);
    }
  });

  it("counts its leaves and tables and the reach of 1,024 TLB entries", () => {
    const pages = (104 * 2 ** 20) / PAGE;
    expect(linear.pteMapped).toBe(true);
    expect(linear.stats()).toEqual({
      tables: 1 + 4,
      leaves: [
        { bytes: 2 ** 25, count: 0 },
        { bytes: PAGE, count: pages },
      ],
      splits: 0,
      tlbReach: 1024 * PAGE,
    });
  });
});
