import { KpkeysError } from "@kpkeys/core";
import { AddressSpaces, MapFlag, PageAllocator, Prot, Tasks, toVpn } from "@kpkeys/core/contracts";
import type { Mm } from "@kpkeys/core/contracts";
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
 * Takes a page that a block of the linear map maps, and all pages that are handed out before it because none does.
 * @param machine - where
 * @returns its page-frame number
 * @throws KpkeysError ERR_OUT_OF_MEMORY when every block was split
 */
export function takePageInBlock(machine: Machine): number {
  const pages = machine.get(PageAllocator);
  for (let pfn = pages.alloc(0); pfn >= 0; pfn = pages.alloc(0)) {
    const { type, level } = leafOf(machine, linearAddress(machine, pfn));
    if (type === "leaf" && level < machine.levelNames.length - 1) return pfn;
  }
  throw new KpkeysError("ERR_OUT_OF_MEMORY", "no block of the linear map is left", {
    expected: "a linear map of blocks",
  });
}
