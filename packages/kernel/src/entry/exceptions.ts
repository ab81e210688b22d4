import { addressText, fromBytes, inject, injectable, KpkeysError, toBytes } from "@kpkeys/core";
import { Cpus, Errno, LazyMmu, OK, PageTableFormat, Vmalloc } from "@kpkeys/core/contracts";
import type { Exceptions, Vpn, Words } from "@kpkeys/core/contracts";
import { runOn } from "../machine/cpus.js";
import { outOfMemory } from "../machine/errors.js";
import type { KernelPolicies } from "../machine/policies.js";
import { Policies } from "../machine/tokens.js";
import { ExceptionEntry } from "./exception-entry.js";
import { KernelFaults } from "./kernel-fault.js";
import type { KernelLazyMmu } from "../mm/lazy-mmu.js";
import type { KernelTasks } from "../process/tasks.js";

/** IRQ_STACK_SIZE, 16 KiB on both architectures; at least one page. */
const IRQ_STACK_BYTES = 16384;

/** Interrupts, and accesses that may fail. */
@injectable()
export class KernelExceptions implements Exceptions {
  readonly counters: Exceptions["counters"];
  /** The tasks; `undefined` until boot makes them. */
  private tasks: KernelTasks | undefined;
  /** First virtual page of the IRQ stack of each CPU that has one mapped by vmalloc. */
  private readonly irqStacks: Vpn[] = [];

  constructor(
    @inject(Cpus) private readonly cpus: Cpus,
    @inject(LazyMmu) private readonly lazy: KernelLazyMmu,
    @inject(ExceptionEntry) private readonly entry: ExceptionEntry,
    @inject(KernelFaults) private readonly faults: KernelFaults,
    @inject(Vmalloc) private readonly vmalloc: Vmalloc,
    @inject(PageTableFormat) private readonly format: PageTableFormat,
    @inject(Policies) private readonly policies: Required<KernelPolicies>,
  ) {
    this.counters = entry.counters;
  }

  get inInterrupt(): boolean {
    return this.lazy.inInterrupt();
  }

  /** Lets interrupts return to the interrupted task. @param tasks - the tasks */
  attachTasks(tasks: KernelTasks): void {
    this.tasks = tasks;
  }

  /** `init_irq_stacks`: after vmalloc is ready, before a second CPU runs. @throws KpkeysError ERR_OUT_OF_MEMORY */
  initIrqStacks(): void {
    if (this.policies.irqStacks !== "vmap") return;
    for (const { id } of this.cpus.all) {
      const stack = this.vmalloc.alloc(Math.ceil(IRQ_STACK_BYTES / 2 ** this.format.geometry.pageShift));
      if (stack === undefined) throw outOfMemory("the IRQ stack of a CPU");
      this.irqStacks[id] = stack;
    }
  }

  interrupt(handler: () => void, irqExit?: () => void): void {
    const cpu = this.cpus.current;
    if (irqExit !== undefined && this.lazy.inInterrupt()) {
      throw new KpkeysError("ERR_API_MISUSE", "irqExit is only allowed for the outermost interrupt", {
        where: `CPU ${cpu.id}`,
        expected: "no irqExit in a nested interrupt",
      });
    }
    const interrupted = this.tasks?.current;
    this.entry.enter();
    this.lazy.enterInterrupt();
    handler();
    runOn(this.cpus, cpu);
    this.lazy.leaveInterrupt();
    irqExit?.();
    if (interrupted !== undefined) this.tasks?.returnTo(interrupted);
    this.entry.leave();
  }

  copyToKernelNofault({ high, low }: Words, source: Uint8Array): 0 | Errno {
    requireWords("copy_to_kernel_nofault", `to ${addressText(high, low)}`, low, source.length);
    const { byteOrder = "little" } = this.format.geometry;
    for (let at = 0; at < source.length; at += 8) {
      const value = fromBytes(source, at, byteOrder);
      if (!this.storeNofault(addressAt(high, low, at), value)) return Errno.EFAULT;
    }
    return 0;
  }

  copyFromKernelNofault({ high, low }: Words, length: number): Uint8Array | Errno {
    requireWords("copy_from_kernel_nofault", `from ${addressText(high, low)}`, low, length);
    const bytes = new Uint8Array(length);
    const { byteOrder = "little" } = this.format.geometry;
    for (let at = 0; at < length; at += 8) {
      if (!this.loadNofault(addressAt(high, low, at))) return Errno.EFAULT;
      const { valueHigh, valueLow } = this.cpus.current;
      bytes.set(toBytes({ high: valueHigh, low: valueLow }, byteOrder), at);
    }
    return bytes;
  }

  irqStackPage(cpu: number): Vpn | undefined {
    return this.irqStacks[cpu];
  }

  /** Stores 8 bytes. Retries after each fault that a feature repairs. @returns whether the store succeeded */
  private storeNofault({ high, low }: Words, value: Words): boolean {
    for (let attempt = 0; this.cpus.current.store64(high, low, value.high, value.low) !== OK; attempt++) {
      if (!this.faults.repaired(attempt)) return false;
    }
    return true;
  }

  /** Loads 8 bytes into the CPU's value. Retries after each fault that a feature repairs. @returns whether the load succeeded */
  private loadNofault({ high, low }: Words): boolean {
    for (let attempt = 0; this.cpus.current.load64(high, low) !== OK; attempt++) {
      if (!this.faults.repaired(attempt)) return false;
    }
    return true;
  }
}

/** @throws KpkeysError ERR_API_MISUSE for a range that does not consist of aligned words */
function requireWords(name: string, place: string, low: number, length: number): void {
  if (low % 8 === 0 && length >= 0 && length % 8 === 0) return;
  throw new KpkeysError("ERR_API_MISUSE", `cannot copy ${length} bytes ${place}`, {
    where: name,
    expected: "an address and a length that are multiples of 8",
  });
}

/** The address some bytes after another one. */
function addressAt(high: number, low: number, bytes: number): Words {
  const next = (low >>> 0) + bytes;
  return { high: (high + Math.floor(next / 2 ** 32)) | 0, low: next | 0 };
}
