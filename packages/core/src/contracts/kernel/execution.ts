import type { Errno } from "../errno.js";
import type { Pkey, Vpn } from "../numbers.js";
import type { Rights, Words } from "../pkey-register.js";
import { token } from "../token.js";
import type { Token } from "../token.js";

/** Lazy MMU mode: barriers and key switches of page-table writes may be batched. The state is per task. */
export interface LazyMmu {
  /** `lazy_mmu_mode_enable`: the outermost call enters. No effect in interrupt or while paused. */
  enable(): void;
  /** `lazy_mmu_mode_disable`: the outermost call leaves, an inner one flushes. */
  disable(): void;
  /** `lazy_mmu_mode_pause`. */
  pause(): void;
  /** `lazy_mmu_mode_resume`. */
  resume(): void;
  /** `is_lazy_mmu_mode_active`: false in interrupt and while paused. */
  isActive(): boolean;
  /**
   * Whether the task is in a section that is not paused, also in interrupt: the thread flag TIF_LAZY_MMU of v4 and v5, which entry sets and
   * exit clears.
   */
  isEnabled(): boolean;
  /**
   * Number of calls for which mainline warns (VM_WARN_ON_ONCE): a 256th nested enable or pause, an unbalanced disable or resume. The counts
   * wrap around as the kernel's bytes do.
   */
  readonly warnings: number;
}

/** Token of {@link LazyMmu}. */
export const LazyMmu: Token<LazyMmu> = token("LazyMmu");

/** Exceptions, and kernel accesses that may fault. */
export interface Exceptions {
  /** Whether code runs in interrupt context: `in_interrupt()`. */
  readonly inInterrupt: boolean;
  /** The cost of exceptions from kernel mode, with the policy of the machine. */
  readonly counters: {
    /** Exceptions taken from kernel mode: interrupts, and faults of the kernel's own accesses. */
    readonly entries: number;
    /** Writes of the key register to reset it on entry and to restore it on return. */
    readonly registerWrites: number;
    /** Barriers that synchronise a reset. A restore needs none, because the exception return synchronises. */
    readonly barriers: number;
  };
  /**
   * Runs a handler as an interrupt of the current task. The steps are exception entry by the machine's policy, the handler in interrupt
   * context, irqExit in task context, and exception return. irqExit can switch the task away; if the task continues on another CPU, the
   * exception returns there.
   * @param handler - runs in interrupt context, where tasks cannot be switched
   * @param irqExit - runs in task context before the exception returns, as `preempt_schedule_irq` does
   */
  interrupt(handler: () => void, irqExit?: () => void): void;
  /**
   * `copy_to_kernel_nofault`: stores bytes in the current context, 8 at a time as Linux does for aligned data; a fault is fixed up.
   * @param address - address of the first byte, a multiple of 8
   * @param source - the bytes, a multiple of 8; `toBytes` of `@kpkeys/core` makes those of a 64-bit value
   * @returns 0, or -EFAULT; bytes before the fault are stored
   * @throws KpkeysError ERR_API_MISUSE for another alignment or length: the model's CPU stores 8 bytes
   */
  copyToKernelNofault(address: Words, source: Uint8Array): 0 | Errno;
  /**
   * `copy_from_kernel_nofault`: loads bytes in the current context, 8 at a time as Linux does for aligned data; a fault is fixed up.
   * @param address - address of the first byte, a multiple of 8
   * @param length - number of bytes, a multiple of 8
   * @returns the bytes, lowest address first; -EFAULT if a load faults
   * @throws KpkeysError ERR_API_MISUSE for another alignment or length: the model's CPU loads 8 bytes
   */
  copyFromKernelNofault(address: Words, length: number): Uint8Array | Errno;
  /**
   * The IRQ stack of a CPU.
   * @param cpu - its number
   * @returns its first virtual page; `undefined` if IRQ stacks are not in the vmalloc area
   */
  irqStackPage(cpu: number): Vpn | undefined;
}

/** Token of {@link Exceptions}. */
export const Exceptions: Token<Exceptions> = token("Exceptions");

/** The key registers of all CPUs, tasks and exceptions. */
export interface KeyRegisters {
  /**
   * Grants rights on a key in the register of each CPU and in all saved registers: those of tasks, and of pt_regs of active exceptions. The
   * value that an entered context has saved does not change: leaving that context revokes the rights.
   * @param pkey - the key's number
   * @param rights - the rights
   */
  grantEverywhere(pkey: Pkey, rights: Rights): void;
}

/** Token of {@link KeyRegisters}. */
export const KeyRegisters: Token<KeyRegisters> = token("KeyRegisters");

/** Suspend and resume of CPUs. */
export interface CpuPower {
  /**
   * Suspends a CPU: it switches to its idle task, loses the content of its key register and TLB, and executes no code until it is resumed.
   * If it is the current CPU, it must be resumed next.
   * @param cpu - its number
   * @throws KpkeysError ERR_API_MISUSE for a CPU that does not exist, is suspended, or has a task in interrupt
   */
  suspend(cpu: number): void;
  /**
   * `cpu_resume`: turns translation on; the key register gets its initial value or keeps its reset value, by the machine's policy.
   * @param cpu - its number
   * @throws KpkeysError ERR_API_MISUSE for a CPU that is not suspended
   */
  resume(cpu: number): void;
}

/** Token of {@link CpuPower}. */
export const CpuPower: Token<CpuPower> = token("CpuPower");

/** Kernel command-line parameters. */
export interface BootParameters {
  /** `rodata=`: whether `mark_rodata_ro` makes text and rodata read-only. With `full`, `set_memory_ro` changes the linear map too. */
  readonly rodata: "full" | "on" | "off";
  /**
   * `kpkeys=`: with `off` the kernel does not use the CPU's kernel pkeys; with `soft` it warns about the first write that a feature's key
   * denies, and then allows writes with the key everywhere; with `enforced` such a write is an oops.
   */
  readonly kpkeys: "off" | "soft" | "enforced";
}

/** Token of {@link BootParameters}. */
export const BootParameters: Token<BootParameters> = token("BootParameters");

/**
 * The phases of boot with handlers of features, in their order. From `system_features` on (`setup_system_features()`), the capabilities of
 * all CPUs are known and blocks of the linear map can be split.
 */
export const INIT_PHASES = [
  "memblock",
  "linear-map",
  "vmemmap",
  "smp_prepare_boot_cpu",
  "mem_init",
  "tasks",
  "smp",
  "system_features",
  "mark_rodata_ro",
  "freeze",
] as const;

/** One of {@link INIT_PHASES}. */
export type InitPhase = (typeof INIT_PHASES)[number];

/** The progress of boot. */
export interface InitPhases {
  /** The current phase; `undefined` before the first. */
  readonly current: InitPhase | undefined;
  /** Whether boot is over. */
  readonly done: boolean;
}

/** Token of {@link InitPhases}. */
export const InitPhases: Token<InitPhases> = token("InitPhases");
