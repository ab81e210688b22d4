import { KpkeysError } from "@kpkeys/core";
import { AddressSpaces, MapFlag, PageAllocator, PageTables, Prot, Tasks, toVpn } from "@kpkeys/core/contracts";
import type { Level, Mm, Pfn } from "@kpkeys/core/contracts";
import type { Machine } from "@kpkeys/kernel";
import { leafOf, linearAddress } from "./evidence.js";

/** Virtual page at which the museum's processes have their memory: any page of user space will do, and 256 MiB is one everywhere. */
export const USER_PAGE: number = 0x1000_0000 / 4096;

/**
 * Makes a process that runs, with anonymous memory that is there.
 * @param machine - where
 * @param pages - how much
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
 * What an allocation gave.
 * @param given - its result
 * @param what - what was allocated
 * @throws KpkeysError ERR_OUT_OF_MEMORY when it failed
 */
export function orOutOfMemory<T>(given: T | undefined, what: string): T {
  if (given !== undefined) return given;
  throw new KpkeysError("ERR_OUT_OF_MEMORY", `no memory for ${what}`, { expected: "a machine with more memory" });
}

/**
 * Takes a page of kernel memory.
 * @param machine - where
 * @throws KpkeysError ERR_OUT_OF_MEMORY
 */
export function takePage(machine: Machine): Pfn {
  return orOutOfMemory(machine.get(PageAllocator).alloc(0), "a page");
}

/**
 * Takes a table page.
 * @param machine - where
 * @param source - `kernel` or `user`
 * @param level - the level that it is for; the lowest if left out
 * @throws KpkeysError ERR_OUT_OF_MEMORY
 */
export function takeTable(machine: Machine, source: "kernel" | "user", level?: Level): Pfn {
  return orOutOfMemory(machine.get(PageTables).allocTable(source, level), "a page table");
}

/**
 * Takes a page that a block of the linear map maps, and all pages that are handed out before it because none does.
 * @param machine - where
 * @returns its page-frame number
 * @throws KpkeysError ERR_OUT_OF_MEMORY when every block was split
 */
export function takePageInBlock(machine: Machine): Pfn {
  const pages = machine.get(PageAllocator);
  for (let pfn = pages.alloc(0); pfn !== undefined; pfn = pages.alloc(0)) {
    const { type, level } = leafOf(machine, linearAddress(machine, pfn));
    if (type === "leaf" && level < machine.levelNames.length - 1) return pfn;
  }
  throw new KpkeysError("ERR_OUT_OF_MEMORY", "no block of the linear map is left", {
    expected: "a linear map of blocks",
  });
}
