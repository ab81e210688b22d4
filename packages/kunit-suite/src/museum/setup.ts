import { KpkeysError } from "@kpkeys/core";
import { AddressSpaces, MapFlag, PageAllocator, PageTables, Prot, Tasks, toVpn } from "@kpkeys/core/contracts";
import type { Level, Mm, Pfn } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { leafOf, linearAddress } from "./evidence.js";

/** Virtual page at which the museum's processes map memory: 256 MiB, a user address on every architecture. */
export const USER_PAGE: number = 0x1000_0000 / 4096;

/**
 * Creates a process with populated anonymous memory and switches to it.
 * @param machine - the machine
 * @param pages - number of pages
 * @returns its address space
 */
export function runProcess(machine: Machine, pages: number): Mm {
  const spaces = machine.get(AddressSpaces);
  const tasks = machine.get(Tasks);
  const mm = spaces.create();
  tasks.switchTo(tasks.create(mm));
  const flags = MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.POPULATE;
  spaces.mmap(mm, toVpn(USER_PAGE), pages, Prot.READ | Prot.WRITE, flags);
  return mm;
}

/**
 * Checks the result of an allocation.
 * @param result - the result, `undefined` if the allocation failed
 * @param what - the object that was allocated
 * @returns the result
 * @throws KpkeysError ERR_OUT_OF_MEMORY if the allocation failed
 */
export function orOutOfMemory<T>(result: T | undefined, what: string): T {
  if (result !== undefined) return result;
  throw new KpkeysError("ERR_OUT_OF_MEMORY", `no memory for ${what}`, { expected: "a machine with more memory" });
}

/**
 * Allocates a page of kernel memory.
 * @param machine - the machine
 * @throws KpkeysError ERR_OUT_OF_MEMORY
 */
export function allocPage(machine: Machine): Pfn {
  return orOutOfMemory(machine.get(PageAllocator).alloc(0), "a page");
}

/**
 * Allocates a table page.
 * @param machine - the machine
 * @param source - `kernel` or `user`
 * @param level - the level of the table. Default: the last one
 * @throws KpkeysError ERR_OUT_OF_MEMORY
 */
export function allocTable(machine: Machine, source: "kernel" | "user", level?: Level): Pfn {
  return orOutOfMemory(machine.get(PageTables).allocTable(source, level), "a page table");
}

/**
 * Allocates pages until one is mapped by a block of the linear map.
 * @param machine - the machine
 * @returns its page-frame number
 * @throws KpkeysError ERR_OUT_OF_MEMORY if no block is left
 */
export function allocPageInBlock(machine: Machine): Pfn {
  const pages = machine.get(PageAllocator);
  for (let pfn = pages.alloc(0); pfn !== undefined; pfn = pages.alloc(0)) {
    const { type, level } = leafOf(machine, linearAddress(machine, pfn));
    if (type === "leaf" && level < machine.levelNames.length - 1) return pfn;
  }
  throw new KpkeysError("ERR_OUT_OF_MEMORY", "no block of the linear map is left", {
    expected: "a block-mapped linear map",
  });
}
