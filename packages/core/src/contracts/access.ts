/**
 * The kind of an access, as bits: a read-modify-write is a read and a write.
 *
 * ```text
 *   2       1       0
 *   fetch   write   read
 * ```
 */
export const Access = {
  /** A data read. */
  READ: 1,
  /** A data write. */
  WRITE: 2,
  /** An atomic read-modify-write: both rights are needed, and a fault is reported as a write. */
  RMW: 3,
  /** An instruction fetch. */
  FETCH: 4,
} as const;

/** One of the {@link Access} values. */
export type Access = (typeof Access)[keyof typeof Access];

/** The privilege of an access, which selects the rights that apply to it. */
export const Privilege = {
  /** EL0; CPL 3. */
  USER: 0,
  /** EL1; CPL 0. */
  KERNEL: 1,
  /**
   * The kernel on behalf of the user, as in `copy_to_user`: LDTR and STTR at EL1; an access with RFLAGS.AC set at CPL 0 (between `stac`
   * and `clac`).
   */
  UACCESS: 2,
} as const;

/** One of the {@link Privilege} values. */
export type Privilege = (typeof Privilege)[keyof typeof Privilege];

/** The status of an access that succeeded. */
export const OK = 0;

/** The status of an access that faulted. {@link Cpu.fault} has the report until the next fault. */
export const FAULT = -1;

/** The result of an access: {@link OK} or {@link FAULT}. */
export type AccessStatus = typeof OK | typeof FAULT;

/** The check that failed in a translation or an access, common to all architectures. */
export const FaultKind = {
  /** No check failed. */
  NONE: 0,
  /** No valid entry at some level. */
  TRANSLATION: 1,
  /** The address is not canonical, or an output address is wider than the CPU's or outside RAM. */
  ADDRESS_SIZE: 2,
  /** The access flag is clear and hardware may not set it. */
  ACCESS_FLAG: 3,
  /** The rights of the entries deny the access. */
  PERMISSION: 4,
  /** The rights of the key deny the access. Other rights may deny it too. */
  PKEY: 5,
  /** An entry has a reserved bit set. */
  RESERVED: 6,
} as const;

/** One of the {@link FaultKind} values. */
export type FaultKind = (typeof FaultKind)[keyof typeof FaultKind];
