import type { Branded } from "./numbers.js";

/** An error number as the kernel returns it: negative. A function that can fail returns `0 | Errno`. */
export type Errno = Branded<"Errno">;

/** The error numbers that kernel services return, by their names in include/uapi/asm-generic/errno-base.h and errno.h. */
export const Errno = {
  /** Out of memory. */
  ENOMEM: -12 as Errno,
  /** Bad address. */
  EFAULT: -14 as Errno,
  /** In use, or changed by another writer. */
  EBUSY: -16 as Errno,
  /** A mapping exists already. */
  EEXIST: -17 as Errno,
  /** Invalid argument. */
  EINVAL: -22 as Errno,
  /** Deadlock: the caller holds the resource that it waits for. */
  EDEADLK: -35 as Errno,
} as const;
