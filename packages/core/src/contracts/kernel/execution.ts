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
}

/** Token of {@link LazyMmu}. */
export const LazyMmu: Token<LazyMmu> = token("LazyMmu");

/** Exceptions, and accesses of the kernel that may fail. */
export interface Exceptions {
  /** Whether code runs in interrupt context: `in_interrupt()`. */
  readonly inInterrupt: boolean;
  /**
   * Runs a handler as an interrupt of the current task: entry by the machine's policy, the handler, return.
   * @param handler - runs in interrupt context
   */
  interrupt(handler: () => void): void;
  /**
   * `copy_to_kernel_nofault`, 8 bytes: stores in the current context; a fault is fixed up.
   * @param high - bits 63 to 32 of the address
   * @param low - bits 31 to 0
   * @param valueHigh - bits 63 to 32 of the value
   * @param valueLow - bits 31 to 0 of the value
   * @returns 0, or -EFAULT
   */
  copyToKernelNofault(high: number, low: number, valueHigh: number, valueLow: number): number;
}

/** Token of {@link Exceptions}. */
export const Exceptions: Token<Exceptions> = token("Exceptions");

/** The phases of boot at which features may act, in their order. */
export const INIT_PHASES = [
  "memblock",
  "linear-map",
  "vmemmap",
  "mem_init",
  "tasks",
  "smp",
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
