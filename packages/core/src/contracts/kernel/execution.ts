import type { Errno } from "../errno.js";
import type { Pkey, Vpn } from "../numbers.js";
import type { Rights, Words } from "../pkey-register.js";
import { token } from "../token.js";
import type { Token } from "../token.js";

/** Lazy MMU mode: page-table writes of which barriers, and key switches, may be batched. State is per task. */
export interface LazyMmu {
  /** `lazy_mmu_mode_enable`: the outermost call enters. Nothing in interrupt or while paused. */
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
   * Whether the task is in a section that is not paused, in interrupt or not: the value of the thread flag that entering sets and
   * leaving clears (TIF_LAZY_MMU of v4 and v5).
   */
  isEnabled(): boolean;
  /**
   * Calls that mainline warns of (VM_WARN_ON_ONCE): a 256th nested enable or pause, a disable or resume too many. The counts
   * wrap around as the kernel's bytes do.
   */
  readonly warnings: number;
}

/** Token of {@link LazyMmu}. */
export const LazyMmu: Token<LazyMmu> = token("LazyMmu");

/** Exceptions, and accesses of the kernel that may fail. */
export interface Exceptions {
  /** Whether code runs in interrupt context: `in_interrupt()`. */
  readonly inInterrupt: boolean;
  /** What exceptions from kernel mode cost, whichever policy is in force. */
  readonly counters: {
    /** Exceptions taken from kernel mode: interrupts, and faults of the kernel's own accesses. */
    readonly entries: number;
    /** Writes of the key register to reset it on entry and to restore it on return. */
    readonly registerWrites: number;
    /** Barriers that synchronise a reset; a restore needs none, because the return synchronises. */
    readonly barriers: number;
  };
  /**
   * Runs a handler as an interrupt of the current task: entry by the machine's policy, the handler in interrupt context, what
   * the way out does in task context, return. While on the way out the task may be switched away and run elsewhere; the exception
   * returns in it, on the CPU on which it then is.
   * @param handler - runs in interrupt context, where tasks cannot be switched
   * @param irqExit - runs in task context before the exception returns, as `preempt_schedule_irq` and what follows it does
   */
  interrupt(handler: () => void, irqExit?: () => void): void;
  /**
   * `copy_to_kernel_nofault`: stores bytes in the current context, 8 at a time as Linux does where it can; a fault is fixed up.
   * @param address - where the first byte goes, aligned to 8 bytes
   * @param source - the bytes, a multiple of 8; `toBytes` of `@kpkeys/core` makes those of a 64-bit value
   * @returns 0, or -EFAULT; what was stored before the fault stays
   * @throws KpkeysError ERR_API_MISUSE for another alignment or length: the model's CPU stores 8 bytes
   */
  copyToKernelNofault(address: Words, source: Uint8Array): 0 | Errno;
  /**
   * Where a CPU's IRQ stack is.
   * @param cpu - its number
   * @returns its first virtual page, or `undefined` where IRQ stacks are not mapped by vmalloc
   */
  irqStackPage(cpu: number): Vpn | undefined;
}

/** Token of {@link Exceptions}. */
export const Exceptions: Token<Exceptions> = token("Exceptions");

/** The key register in all the places where it is kept. */
export interface KeyRegisters {
  /**
   * Gives a key rights in every live register (of all CPUs) and in every saved one (of all tasks, and in the pt_regs of exceptions
   * not yet returned from). What a context saved on entry is out of reach: leaving that context takes the rights back.
   * @param pkey - the key's number
   * @param rights - what it is to allow
   */
  grantEverywhere(pkey: Pkey, rights: Rights): void;
}

/** Token of {@link KeyRegisters}. */
export const KeyRegisters: Token<KeyRegisters> = token("KeyRegisters");

/** CPUs that lose their registers and get them back. */
export interface CpuPower {
  /**
   * Suspends a CPU: it switches to its idle task, loses what its registers and its TLB hold, and executes nothing until it
   * is resumed. Not the CPU that executes now, unless it is resumed next.
   * @param cpu - its number
   * @throws KpkeysError ERR_API_MISUSE for a CPU that is not there, is suspended, or has a task in interrupt
   */
  suspend(cpu: number): void;
  /**
   * `cpu_resume`: translation on; the key register gets its initial value, or keeps what reset left in it, by the machine's
   * policy.
   * @param cpu - its number
   * @throws KpkeysError ERR_API_MISUSE for a CPU that is not suspended
   */
  resume(cpu: number): void;
}

/** Token of {@link CpuPower}. */
export const CpuPower: Token<CpuPower> = token("CpuPower");

/** Kernel command-line parameters. */
export interface BootParameters {
  /** `rodata=`: whether `mark_rodata_ro` makes text and rodata read-only; `full` has the linear map follow `set_memory_ro`. */
  readonly rodata: "full" | "on" | "off";
  /**
   * `kpkeys=`: `off` is a kernel that does not use the CPU's kernel pkeys; `soft` warns of the first write that a feature's key
   * denies and then opens the key everywhere; `enforced` makes such a write an oops.
   */
  readonly kpkeys: "off" | "soft" | "enforced";
}

/** Token of {@link BootParameters}. */
export const BootParameters: Token<BootParameters> = token("BootParameters");

/**
 * The phases of boot at which features may act, in their order. From `system_features` on (`setup_system_features()`), when what
 * all CPUs can do is known, blocks of the linear map may be split.
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

/** How far boot has come. */
export interface InitPhases {
  /** The phase that has begun last; `undefined` before the first. */
  readonly current: InitPhase | undefined;
  /** Whether boot is over. */
  readonly done: boolean;
}

/** Token of {@link InitPhases}. */
export const InitPhases: Token<InitPhases> = token("InitPhases");
