import {
  Access,
  AddressSpaces,
  CloneFlag,
  Errno,
  MapFlag,
  PageAllocator,
  PageTables,
  Privilege,
  Prot,
  StaticTablePages,
  Tasks,
  toPfn,
  toVpn,
} from "@kpkeys/core/contracts";
import type { Task } from "@kpkeys/core/contracts";
import { expect } from "vitest";
import { KernelImage } from "../../src/boot/image.js";
import type { Machine } from "../../src/machine/machine.js";
import { KernelMm } from "../../src/process/mm.js";
import { kernelService, staleTranslations } from "./machine.js";
import { readUserTables } from "./tables.js";
import type { PresentPage, UserTables } from "./tables.js";

/** A mapped page. `content` is the number of the last write; 0 before the first write. */
interface ModelPage {
  readonly prot: number;
  readonly shared: boolean;
  readonly content: number;
  readonly dontFork: boolean;
  readonly wipeOnFork: boolean;
}

/** A process and its expected pages. */
interface Space {
  readonly task: Task;
  readonly pages: Map<number, ModelPage>;
}

/** MADV_ numbers that the model implements. */
export const MADV = {
  DONTNEED: 4,
  FREE: 8,
  DONTFORK: 10,
  DOFORK: 11,
  WIPEONFORK: 18,
  KEEPONFORK: 19,
  COLD: 20,
  PAGEOUT: 21,
  POPULATE_READ: 22,
  POPULATE_WRITE: 23,
  DONTNEED_LOCKED: 24,
  GUARD_INSTALL: 102,
} as const;

const DONTUNMAP = 4;

/**
 * Processes as maps from pages to rights and contents, compared with the tables of a machine after every step: the mapped pages, no
 * lost or leaked contents, no writable page that two processes share, and the owner of each page.
 */
export class ProcessModel {
  readonly spaces: Space[] = [];
  readonly #machine: Machine;
  readonly #service: AddressSpaces;
  readonly #tasks: Tasks;
  readonly #freeAtStart: number;
  readonly #zeroPage: number;
  #contents = 0;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#service = machine.get(AddressSpaces);
    this.#tasks = machine.get(Tasks);
    this.#zeroPage = kernelService(machine, StaticTablePages, KernelImage).zeroPage;
    this.#freeAtStart = this.#free;
    this.spaces.push({ task: this.#tasks.create(this.#service.create(), CloneFlag.THREAD), pages: new Map() });
  }

  get #free(): number {
    return this.#machine.get(PageAllocator).freePages;
  }

  #write(space: Space, page: number): void {
    space.pages.set(page, { ...space.pages.get(page)!, content: ++this.#contents });
  }

  /** The mapped pages of a range. */
  #inside(space: Space, page: number, pages: number): number[] {
    return Array.from({ length: pages }, (_, i) => page + i).filter((at) => space.pages.has(at));
  }

  #tables({ task }: Space): UserTables {
    return readUserTables(this.#machine, task.mm!);
  }

  mmap(space: Space, page: number, pages: number, prot: number, flags: number): void {
    expect(this.#service.mmap(space.task.mm!, toVpn(page), pages, prot, flags)).toBe(0);
    const shared = (flags & MapFlag.SHARED) !== 0;
    for (let at = page; at < page + pages; at++)
      space.pages.set(at, { prot: prot & 7, shared, content: 0, dontFork: false, wipeOnFork: false });
    if ((flags & MapFlag.POPULATE) !== 0 && prot !== 0)
      this.#populated(space, page, pages, !shared && (prot & 2) !== 0);
  }

  /** Checks a populated range: each page is present. A page populated for writing counts as written. */
  #populated(space: Space, page: number, pages: number, write: boolean): void {
    const present = this.#tables(space).pages;
    for (let at = page; at < page + pages; at++) {
      expect(present.has(at)).toBe(true);
      if (!write) continue;
      expect(present.get(at)!.writable).toBe(true);
      this.#write(space, at);
    }
  }

  munmap(space: Space, page: number, pages: number): void {
    expect(this.#service.munmap(space.task.mm!, toVpn(page), pages)).toBe(0);
    for (let at = page; at < page + pages; at++) space.pages.delete(at);
  }

  mprotect(space: Space, page: number, pages: number, prot: number): void {
    expect(this.#service.mprotect(space.task.mm!, toVpn(page), pages, prot)).toBe(0);
    for (const at of this.#inside(space, page, pages)) space.pages.set(at, { ...space.pages.get(at)!, prot });
  }

  /** mremap in place, or to a range that does not overlap. */
  mremap(space: Space, page: number, pages: number, newPage: number, newPages: number, keep: boolean): void {
    const mapped = this.#inside(space, page, Math.min(pages, newPages));
    const last = space.pages.get(page + pages - 1);
    // Mappings with the same rights do not always merge.
    const end = KernelMm.of(space.task.mm!).vmas.find(toVpn(page))?.end;
    const status = this.#service.mremap(
      space.task.mm!,
      toVpn(page),
      pages,
      toVpn(newPage),
      newPages,
      keep ? DONTUNMAP : 0,
    );
    const needsOne = newPage === page ? newPages > pages : newPages !== pages;
    const fails = end === undefined || (needsOne && page + Math.min(pages, newPages) > end);
    expect(status).toBe(fails ? Errno.EFAULT : 0);
    if (fails) return;
    for (let at = page + newPages; at < page + pages; at++) space.pages.delete(at);
    if (newPage === page) {
      this.#grow(space, last!, page + pages, page + newPages);
      return;
    }
    for (const at of mapped) {
      const old = space.pages.get(at)!;
      space.pages.set(newPage + at - page, old);
      if (keep) space.pages.set(at, { ...old, content: 0 });
      else space.pages.delete(at);
    }
    if (newPages > pages) this.#grow(space, last!, newPage + pages, newPage + newPages);
  }

  #grow(space: Space, like: ModelPage, start: number, end: number): void {
    for (let at = start; at < end; at++) space.pages.set(at, { ...like, content: 0 });
  }

  madvise(space: Space, page: number, pages: number, advice: number): void {
    expect(this.#service.madvise(space.task.mm!, toVpn(page), pages, advice)).toBe(0);
    const mapped = this.#inside(space, page, pages);
    const change = (values: Partial<ModelPage>): void => {
      for (const at of mapped) space.pages.set(at, { ...space.pages.get(at)!, ...values });
    };
    if (advice === MADV.DONTFORK || advice === MADV.DOFORK) change({ dontFork: advice === MADV.DONTFORK });
    if (advice === MADV.WIPEONFORK || advice === MADV.KEEPONFORK) change({ wipeOnFork: advice === MADV.WIPEONFORK });
    if (advice === MADV.POPULATE_READ || advice === MADV.POPULATE_WRITE) {
      const write = advice === MADV.POPULATE_WRITE;
      const stop = Array.from({ length: pages }, (_, i) => page + i).findIndex(
        (at) => !isAllowed(space.pages.get(at), write ? Access.WRITE : Access.READ),
      );
      this.#populated(space, page, stop < 0 ? pages : stop, write);
    }
    if (([MADV.DONTNEED, MADV.DONTNEED_LOCKED, MADV.GUARD_INSTALL] as number[]).includes(advice)) {
      change({ content: 0 });
      const present = this.#tables(space).pages;
      expect(mapped.filter((at) => present.has(at))).toEqual([]);
    }
    if (advice === MADV.FREE || advice === MADV.COLD || advice === MADV.PAGEOUT) {
      const present = [...this.#tables(space).pages].filter(([at]) => mapped.includes(at)).map(([, entry]) => entry);
      expect(present.filter(({ young }) => young)).toEqual([]);
      if (advice === MADV.FREE) expect(present.filter(({ dirty }) => dirty)).toEqual([]);
    }
  }

  touch(space: Space, page: number, access: Access): void {
    this.run(space);
    const before = this.#tables(space).pages.get(page);
    const status = this.#service.touch(space.task.mm!, toVpn(page), access, Privilege.USER);
    const write = (access & Access.WRITE) !== 0;
    if (!isAllowed(space.pages.get(page), access)) {
      expect(status).toBeUndefined();
      return;
    }
    expect(status).toBe(before !== undefined && (!write || before.writable) ? 0 : 1);
    if (write) this.#write(space, page);
    const after = this.#tables(space).pages.get(page)!;
    expect([after.young, !write || (after.dirty && after.writable)]).toEqual([true, true]);
  }

  fork(space: Space): void {
    const pages = new Map<number, ModelPage>();
    for (const [at, page] of space.pages) {
      if (page.dontFork) continue;
      pages.set(at, page.wipeOnFork ? { ...page, content: 0 } : page);
    }
    this.spaces.push({ task: this.#tasks.create(this.#service.fork(space.task.mm!), CloneFlag.THREAD), pages });
  }

  /** Exits a process, unless it is the last one. */
  exit(space: Space): void {
    if (this.spaces.length === 1) return;
    this.#tasks.exit(space.task);
    this.spaces.splice(this.spaces.indexOf(space), 1);
  }

  /** Runs a process on the current CPU. */
  run({ task }: Space): void {
    this.#tasks.switchTo(task);
  }

  /** Compares the model with the tables. @param pages - pages whose rights are compared */
  check(pages: readonly number[]): void {
    const users = new Map<number, { space: Space; page: number; entry: PresentPage }[]>();
    const tables = new Set<number>();
    let roots = 0;
    for (const space of this.spaces) {
      const mm = space.task.mm!;
      const found = this.#tables(space);
      expect(mm.tablePages).toBe(found.tables.length);
      roots++;
      for (const table of found.tables) {
        expect(this.#machine.get(PageTables).sourceOf(toPfn(table))).toBe("user");
        tables.add(table);
      }
      for (const [page, entry] of found.pages) {
        this.#checkEntry(space, page, entry);
        if (entry.pfn !== this.#zeroPage)
          users.set(entry.pfn, [...(users.get(entry.pfn) ?? []), { space, page, entry }]);
      }
      for (const [page, { content, shared }] of space.pages)
        if (content !== 0 && !shared) expect(found.pages.get(page)?.pfn ?? this.#zeroPage).not.toBe(this.#zeroPage);
      for (const page of pages) expect(this.#service.protectionAt(mm, toVpn(page))).toBe(space.pages.get(page)?.prot);
    }
    for (const uses of users.values())
      checkSharing(uses.map(({ space, page, entry }) => [space.pages.get(page)!, entry]));
    expect(this.#freeAtStart - this.#free).toBe(users.size + tables.size + roots);
    expect(staleTranslations(this.#machine)).toBe(0);
  }

  #checkEntry({ pages }: Space, page: number, { pfn, valid, writable }: PresentPage): void {
    const model = pages.get(page);
    expect(model).toBeDefined();
    expect(valid).toBe(model!.prot !== 0);
    if (writable) expect([model!.prot & Prot.WRITE, pfn === this.#zeroPage]).toEqual([Prot.WRITE, false]);
  }
}

/** Whether the rights of a page allow an access. Any right allows a read. */
function isAllowed(page: ModelPage | undefined, access: Access): boolean {
  if (page === undefined) return false;
  if ((access & Access.WRITE) !== 0) return (page.prot & Prot.WRITE) !== 0;
  return access === Access.FETCH ? (page.prot & Prot.EXEC) !== 0 : page.prot !== 0;
}

/** Checks a frame that several private pages share: none is writable, all have the same contents. */
function checkSharing(uses: readonly (readonly [ModelPage, PresentPage])[]): void {
  const privates = uses.filter(([{ shared }]) => !shared);
  if (uses.length > 1) expect(privates.filter(([, { writable }]) => writable)).toEqual([]);
  expect(new Set(privates.map(([{ content }]) => content)).size).toBeLessThanOrEqual(1);
}
