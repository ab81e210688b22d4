/**
 * What an access does, as bits: a read-modify-write is a read and a write at once.
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
  /** A locked read-modify-write: both rights are needed, and a fault is reported as a write. */
  RMW: 3,
  /** An instruction fetch. */
  FETCH: 4,
} as const;

/** One of the {@link Access} values. */
export type Access = (typeof Access)[keyof typeof Access];

/** On whose behalf an access is made, which decides which rights count. */
export const Privilege = {
  /** EL0; CPL 3. */
  USER: 0,
  /** EL1; CPL 0. */
  KERNEL: 1,
  /**
   * The kernel on behalf of the user: LDTR and STTR at EL1; an access with RFLAGS.AC set at CPL 0 (between `stac` and
   * `clac`). What `copy_to_user` makes.
   */
  UACCESS: 2,
} as const;

/** One of the {@link Privilege} values. */
export type Privilege = (typeof Privilege)[keyof typeof Privilege];

/** The status of an access that went through. */
export const OK = 0;

/** The status of an access that faulted; the report stays in {@link Cpu.fault} until the next fault. */
export const FAULT = -1;

/** What an access returns: {@link OK} or {@link FAULT}. */
export type AccessStatus = typeof OK | typeof FAULT;

/** Why a translation or an access failed, common to all architectures. */
export const FaultKind = {
  /** No fault yet. */
  NONE: 0,
  /** No valid entry at some level. */
  TRANSLATION: 1,
  /** The address is not canonical, an entry's output address is wider than the machine's, or no RAM answers to it. */
  ADDRESS_SIZE: 2,
  /** The access flag is clear and the hardware may not set it. */
  ACCESS_FLAG: 3,
  /** The rights of the entries deny the access. */
  PERMISSION: 4,
  /** The rights of the key deny the access (perhaps others too). */
  PKEY: 5,
  /** An entry has a reserved bit set. */
  RESERVED: 6,
} as const;

/** One of the {@link FaultKind} values. */
export type FaultKind = (typeof FaultKind)[keyof typeof FaultKind];
