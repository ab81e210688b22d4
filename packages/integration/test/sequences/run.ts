import { KpkeysError, toBytes } from "@kpkeys/core";
import {
  Access,
  AddressSpaces,
  CpuPower,
  EntryType,
  Errno,
  Exceptions,
  Kpkeys,
  LazyMmu,
  LinearMap,
  MapFlag,
  PageAllocator,
  PageTableFormat,
  PageTables,
  Privilege,
  Prot,
  SetMemory,
  SlabAllocator,
  StaticTablePages,
  Tasks,
  toLevel,
  toPfn,
  toPkey,
  toVpn,
  Vmalloc,
} from "@kpkeys/core/contracts";
import type { Cpu, Mm, PluginOptions, Task } from "@kpkeys/core/contracts";
import { coverageOf } from "@kpkeys/kernel";
import type { KernelPolicies, Machine, ScannedTable } from "@kpkeys/kernel";
import { attack } from "@kpkeys/kunit-suite";
import { BlockAllocatorStats } from "@kpkeys/pgtables-hardening";
import { expect } from "vitest";
import { hardened, settle } from "../machines.js";
import { BASE } from "./operations.js";
import type { Enclosure, InterruptOp, KernelOp, Op, TaskOp, UserOp } from "./operations.js";

/** Where the pages of a machine are, as far as it reports. */
interface Account {
  readonly free: number;
  readonly kernelTables: number;
  readonly slabs: number;
}

/** A machine that operations are carried out on, with what they have taken. */
export class Run {
  readonly machine: Machine;
  readonly #areas: { readonly page: number; readonly pages: number }[] = [];
  readonly #pages: readonly number[];
  /** Tasks in the middle of something: an operation that encloses others belongs to them. */
  readonly #busy: Task[] = [];
  /** How many sections and contexts each task has open that may make it privileged. */
  readonly #open = new Map<Task, number>();
  readonly #mine: Task[] = [];
  /** Blocks that nothing may use. */
  readonly #hogged: { readonly pfn: number; readonly order: number }[] = [];
  /** Operations that ended for want of memory. */
  outOfMemory = 0;
  readonly #before: Account;
  #zeroPage = -1;

  constructor(arch: string, cpus: number, pgtables: PluginOptions, kernel: KernelPolicies) {
    const memory = [{ bytes: 64 * 1024 * 1024 }];
    this.machine = hardened(arch, pgtables, { cpus, kernel, memory, strict: true });
    this.#before = this.#account();
    this.#pages = [0, 1, 2].map(() => this.machine.get(PageAllocator).alloc(0)!);
    this.#fork();
    this.#fork();
    this.#switchTo(0, 0);
    this.#zeroPage = this.#findZeroPage();
  }

  #account(): Account {
    const kernelTables = this.machine.scan().filter(({ source }) => source === "kernel").length;
    // Slabs of credentials are of one page.
    const slabs = this.machine.get(SlabAllocator).caches.reduce((sum, cache) => sum + cache.slabs, 0);
    return { free: this.machine.get(PageAllocator).freePages + this.#cached, kernelTables, slabs };
  }

  /** The page of zeroes is what a read of memory that was never written maps. */
  #findZeroPage(): number {
    const { mm } = this.#tasks.current;
    const spaces = this.machine.get(AddressSpaces);
    spaces.mmap(mm!, toVpn(BASE), 1, Prot.READ, MapFlag.PRIVATE | MapFlag.ANONYMOUS);
    spaces.touch(mm!, toVpn(BASE), Access.READ, Privilege.USER);
    const [zeroPage] = this.#userFrames(this.machine.scan());
    spaces.munmap(mm!, toVpn(BASE), 1);
    return zeroPage!;
  }

  /** Pages that the block allocator keeps, with their key, for tables to come. */
  get #cached(): number {
    const { container } = this.machine;
    return container.isRegistered(BlockAllocatorStats) ? this.machine.get(BlockAllocatorStats).cached : 0;
  }

  get #tasks(): Tasks {
    return this.machine.get(Tasks);
  }

  /** Whether the code that runs now has entered nothing that could make it privileged. */
  get #mustBeDefault(): boolean {
    return (this.#open.get(this.#tasks.current) ?? 0) === 0;
  }

  /** Runs something with a number of open sections for the current task. */
  #withOpen(change: (open: number) => number, run: () => void): void {
    const task = this.#tasks.current;
    const before = this.#open.get(task) ?? 0;
    this.#open.set(task, change(before));
    this.#busy.push(task);
    run();
    this.#busy.pop();
    this.#open.set(task, before);
  }

  #isInitial({ pkeyRegisterHigh, pkeyRegisterLow }: Pick<Cpu, "pkeyRegisterHigh" | "pkeyRegisterLow">): boolean {
    const { high, low } = this.machine.get(Kpkeys).initialValue();
    return pkeyRegisterHigh === high && pkeyRegisterLow === low;
  }

  /** After each whole operation no CPU is privileged, and no task that waits would make one so. */
  top(op: Op): void {
    this.apply(op);
    const { cpus } = this.machine;
    const here = cpus.current;
    const waiting = new Set(this.#tasks.all);
    for (const cpu of cpus.all) {
      cpus.current = cpu;
      waiting.delete(this.#tasks.current);
    }
    cpus.current = here;
    for (const holder of [...cpus.all, ...waiting]) expect(this.#isInitial(holder)).toBe(true);
    expect(this.machine.get(Exceptions).inInterrupt).toBe(false);
    expect(this.machine.get(LazyMmu).isEnabled()).toBe(false);
  }

  /** Runs an operation that may end for want of memory. */
  #orOutOfMemory(run: () => void): void {
    try {
      run();
    } catch (error) {
      if (!(error instanceof KpkeysError) || error.code !== "ERR_OUT_OF_MEMORY" || this.#hogged.length === 0)
        throw error;
      this.outOfMemory++;
    }
  }

  /** Takes pages until few are left. */
  #hog(left: number): void {
    const pages = this.machine.get(PageAllocator);
    this.#unhog();
    for (let order = pages.maxOrder; order >= 0; order--) {
      while (pages.freePages - 2 ** order >= left) {
        const pfn = pages.alloc(order);
        if (pfn === undefined) break;
        this.#hogged.push({ pfn, order });
      }
    }
  }

  #unhog(): void {
    for (const { pfn, order } of this.#hogged.splice(0)) this.machine.get(PageAllocator).free(toPfn(pfn), order);
  }

  apply(op: Op): void {
    switch (op.op) {
      case "hog":
        this.#hog(op.left);
        break;
      case "lazy":
      case "pause":
      case "context":
        this.#enclose(op.op, () => {
          for (const inner of op.body) this.apply(inner);
        });
        break;
      case "interrupt": {
        const handler = (): void => {
          for (const inner of op.handler) this.#inInterrupt(inner);
        };
        this.#interrupted(() => {
          this.machine.get(Exceptions).interrupt(handler, () => {
            for (const inner of op.irqExit) this.apply(inner);
          });
        });
        break;
      }
      case "tables":
        this.#writeTables(op.count);
        break;
      case "stray":
        this.#strayStore(op.which);
        break;
      case "vmalloc":
      case "vfree":
      case "setMemory":
      case "setPage":
        this.#kernel(op);
        break;
      case "fork":
      case "exec":
      case "kthread":
      case "exit":
      case "switch":
      case "suspend":
        this.#orOutOfMemory(() => {
          this.#task(op);
        });
        break;
      default:
        this.#orOutOfMemory(() => {
          this.#user(op);
        });
    }
  }

  #inInterrupt(op: InterruptOp): void {
    if (op.op === "tables" || op.op === "stray") {
      this.apply(op);
      return;
    }
    const body = (): void => {
      for (const inner of op.body) this.#inInterrupt(inner);
    };
    if (op.op !== "nested") this.#enclose(op.op, body);
    else {
      this.#interrupted(() => {
        this.machine.get(Exceptions).interrupt(body);
      });
    }
  }

  /** Until an interrupt returns the task has what it had only where handlers inherit the register. */
  #interrupted(run: () => void): void {
    const { exceptionEntry = "inherit" } = this.machine.spec.kernel ?? {};
    this.#withOpen((open) => (exceptionEntry === "inherit" ? open : 0), run);
  }

  #enclose(how: Enclosure, body: () => void): void {
    const lazy = this.machine.get(LazyMmu);
    const kpkeys = this.machine.get(Kpkeys);
    this.#withOpen(
      (open) => open + (how === "pause" ? 0 : 1),
      () => {
        if (how === "context") {
          const state = kpkeys.enterContext("PGTABLES");
          body();
          kpkeys.leaveContext(state);
        } else if (how === "lazy") {
          lazy.enable();
          body();
          lazy.disable();
        } else {
          lazy.pause();
          body();
          lazy.resume();
        }
      },
    );
  }

  /** Takes table pages, writes them and frees them. */
  #writeTables(count: number): void {
    const tables = this.machine.get(PageTables);
    const format = this.machine.get(PageTableFormat);
    const level = toLevel(format.geometry.levels.length - 1);
    const taken = Array.from({ length: count }, () => tables.allocTable("kernel", level)).filter(
      (table) => table !== undefined,
    );
    expect(taken.length === count || this.#hogged.length > 0).toBe(true);
    for (const table of taken) {
      tables.setPte(table, 1, { high: 0, low: 0 });
      tables.setPtes(table, 8, { high: 0, low: 0 }, 4);
      tables.ptepGetAndClear(table, 1);
    }
    for (const table of taken) tables.freeTable(table);
  }

  /** A store of what is there already, to a table page, in the DEFAULT context: must not go through. */
  #strayStore(number: number): void {
    if (!this.#mustBeDefault) return;
    const linearMap = this.machine.get(LinearMap);
    const tables = this.machine.get(PageTables);
    const { memory } = this.machine;
    const roots = Array.from(this.machine.get(AddressSpaces).all, ({ root }) => root);
    const linear = tables.entryAt(tables.root, toLevel(1), linearMap.pageOf(memory.firstPfn))!.table;
    const table = [linear, ...roots][number % (1 + roots.length)]!;
    const value = toBytes(memory.read(table, 0), memory.byteOrder);
    expect(this.machine.get(Exceptions).copyToKernelNofault(linearMap.address(table), value)).toBeLessThan(0);
  }

  #kernel(op: KernelOp): void {
    const setMemory = this.machine.get(SetMemory);
    if (op.op === "vmalloc") {
      const first = this.machine.get(Vmalloc).alloc(op.pages);
      if (first !== undefined) this.#areas.push({ page: first, pages: op.pages });
    } else if (op.op === "setPage") {
      const pfn = this.#pages[op.which % this.#pages.length]!;
      const page = this.machine.get(LinearMap).pageOf(toPfn(pfn));
      const pkey = this.machine.get(Kpkeys).pkey("PGTABLES");
      if (op.how === "invalid") setMemory.setDirectMapInvalid(toPfn(pfn));
      else if (op.how === "default") setMemory.setDirectMapDefault(toPfn(pfn));
      else setMemory.setMemoryPkey(page, 1, toPkey(op.how === "keyed" ? pkey : 0));
    } else if (this.#areas.length > 0) {
      const at = op.which % this.#areas.length;
      const area = this.#areas[at]!;
      // A split of the linear map takes memory.
      const errnos = this.#hogged.length > 0 ? [0, Errno.ENOMEM] : [0];
      if (op.op === "setMemory")
        expect(errnos).toContain(setMemory[`setMemory${op.how}`](toVpn(area.page), area.pages));
      else {
        // The feature that made it read-only makes it writable before the free: where aliases follow, its pages are read-only too.
        const errno = setMemory.setMemoryRw(toVpn(area.page), area.pages);
        expect(errnos).toContain(errno);
        if (errno < 0) return;
        this.machine.get(Vmalloc).free(toVpn(area.page));
        this.#areas.splice(at, 1);
      }
    }
  }

  #user(op: UserOp): void {
    const { mm } = this.#tasks.current;
    if (mm === undefined) return;
    const spaces = this.machine.get(AddressSpaces);
    const first = BASE + op.page;
    if (op.op === "mmap") spaces.mmap(mm, toVpn(first), op.pages, op.prot, op.flags);
    else if (op.op === "munmap") spaces.munmap(mm, toVpn(first), op.pages);
    else if (op.op === "mprotect") spaces.mprotect(mm, toVpn(first), op.pages, op.prot);
    else if (op.op === "madvise") spaces.madvise(mm, toVpn(first), op.pages, op.advice);
    else if (op.op === "touch") spaces.touch(mm, toVpn(first), op.access, op.privilege);
    else if (spaces.protectionAt(mm, toVpn(first)) !== undefined)
      spaces.mremap(mm, toVpn(first), 1, toVpn(BASE + 0x100000 + op.to), op.pages);
  }

  /** A child has its parent's live register: no task forks inside a context. */
  #fork(): void {
    const spaces = this.machine.get(AddressSpaces);
    const { mm } = this.#tasks.current;
    this.#withNewMm(mm === undefined ? spaces.create() : spaces.fork(mm), (child) => {
      this.#mine.push(this.#tasks.create(child));
    });
  }

  /** An operation that cannot adopt a new address space leaves it to its creator. */
  #withNewMm(mm: Mm, take: (mm: Mm) => void): void {
    try {
      take(mm);
    } catch (error) {
      this.machine.get(AddressSpaces).put(mm);
      throw error;
    }
  }

  #switchTo(number: number, cpu: number): void {
    const { all } = this.machine.cpus;
    this.machine.cpus.current = all[cpu % all.length]!;
    if (this.#mine.length > 0) this.#tasks.switchTo(this.#mine[number % this.#mine.length]!);
  }

  #task(op: TaskOp): void {
    const { all } = this.machine.cpus;
    if (op.op === "switch") this.#switchTo(op.which, op.cpu);
    else if (op.op === "suspend") {
      const cpu = op.cpu % all.length;
      // A CPU suspends in its idle task, which is in the middle of nothing then.
      if (this.#busy.some(({ tid }) => tid === cpu)) return;
      this.machine.get(CpuPower).suspend(cpu);
      this.machine.get(CpuPower).resume(cpu);
    } else if (op.op === "exit") {
      const task = this.#mine[op.which % Math.max(1, this.#mine.length)];
      if (task !== undefined && !this.#busy.includes(task)) this.#end(task);
    } else if (this.#mustBeDefault) {
      if (op.op === "fork") this.#fork();
      else if (op.op === "kthread") this.#mine.push(this.#tasks.create(undefined));
      else if (this.#tasks.current.mm !== undefined) {
        this.#withNewMm(this.machine.get(AddressSpaces).create(), (mm) => {
          this.#tasks.exec(this.#tasks.current, mm);
        });
      }
    }
  }

  #end(task: Task): void {
    this.#mine.splice(this.#mine.indexOf(task), 1);
    this.#tasks.exit(task);
  }

  /** Every page that is not free is accounted for. */
  checkConserved(): void {
    const now = this.#account();
    const sum = (numbers: Iterable<number>): number => [...numbers].reduce((total, one) => total + one, 0);
    const tables = this.machine.scan();
    const used =
      tables.filter(({ source }) => source === "user").length +
      this.#userFrames(tables).size +
      (now.kernelTables - this.#before.kernelTables) +
      (now.slabs - this.#before.slabs) +
      sum(this.#areas.map(({ pages }) => pages)) +
      sum(this.#hogged.map(({ order }) => 2 ** order)) +
      this.#pages.length;
    expect(this.#before.free - now.free).toBe(used);
  }

  /** Frames that user tables map, the page of zeroes not counted. */
  #userFrames(tables: readonly ScannedTable[]): ReadonlySet<number> {
    const format = this.machine.get(PageTableFormat);
    const { memory } = this.machine;
    const frames = new Set<number>();
    for (const { pfn, level, source } of tables) {
      if (source !== "user" || level !== format.geometry.levels.length - 1) continue;
      for (let index = 0; index < 512; index++) {
        const { high, low } = memory.read(pfn, index);
        if (format.isPresent(high, low)) frames.add(format.pfnOf(high, low));
      }
    }
    frames.delete(this.#zeroPage);
    return frames;
  }

  /** Holds after every sequence: every table page is closed on every CPU, by its entries and by a probe store. */
  checkTables(): void {
    const tables = this.machine.scan();
    expect(coverageOf(this.machine, tables).gaps).toEqual([]);
    expect(tables.filter(({ source }) => source === "unknown")).toEqual([]);
    for (const cpu of this.machine.cpus.all) {
      this.machine.cpus.current = cpu;
      expect(attack(this.machine, tables).gaps).toEqual([]);
    }
    this.machine.cpus.current = this.machine.cpus.all[0]!;
  }

  /** Frees everything and looks for leaked pages and keys, and for warnings. */
  checkNothingLeft(): void {
    const { machine } = this;
    this.#unhog();
    for (const which of this.#pages.keys()) {
      for (const how of ["unkeyed", "default"] as const) this.apply({ op: "setPage", which, how });
    }
    while (this.#areas.length > 0) this.apply({ op: "vfree", which: 0 });
    for (const task of [...this.#mine]) this.#end(task);
    for (const pfn of this.#pages) machine.get(PageAllocator).free(toPfn(pfn), 0);
    settle(machine);
    const after = this.#account();
    expect(this.#before.free - after.free).toBe(after.kernelTables - this.#before.kernelTables);
    expect([...machine.get(AddressSpaces).all]).toEqual([]);
    expect(machine.get(LazyMmu).warnings).toBe(0);
    expect(this.#keyedPages()).toHaveLength(this.#cached);
  }

  /** Pages that have the key and are no table. */
  #keyedPages(): readonly number[] {
    const { memory } = this.machine;
    const format = this.machine.get(PageTableFormat);
    const tables = this.machine.scan();
    const isTable = new Set(tables.map(({ pfn }) => pfn));
    // A static pool has the key whole, used or not.
    const { keyed } = this.machine.get(StaticTablePages);
    const isStatic = (pfn: number): boolean => keyed.some((run) => pfn >= run.pfn && pfn < run.pfn + run.pages);
    const found: number[] = [];
    for (const { pfn, level } of tables) {
      for (let index = 0; index < 512; index++) {
        const { high, low } = memory.read(pfn, index);
        if (format.typeOf(level, high, low) !== EntryType.LEAF || format.entryKeys!.pkeyOf(high, low) === 0) continue;
        const { shift } = format.geometry.levels[level]!;
        const first = format.pfnOf(high, low);
        for (let target = first; target < first + 2 ** (shift - format.geometry.pageShift); target++) {
          if (!isTable.has(target) && !isStatic(target)) found.push(target);
        }
      }
    }
    return found;
  }
}
