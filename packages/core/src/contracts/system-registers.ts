/** One register's value, for tools. */
export interface RegisterValue {
  /** The manual's name: `TCR2_EL1`, `CR4`. */
  readonly name: string;
  /** The value, 64 bits. */
  readonly value: bigint;
}

/**
 * What decides an access besides the entries and the key register: TCR_EL1, TCR2_EL1, SCTLR_EL1, PIR_EL1, PIRE0_EL1,
 * POR_EL0, PSTATE; CR0, CR4, EFER, PKRU, RFLAGS.AC. Named by the manual's names, so that no tool must know the architecture.
 * A write takes effect at once and may cost a pass over the TLB's fast tags; the kernel writes these at boot only.
 */
export interface SystemRegisters {
  /** Names of all registers of the architecture, in the order in which they are shown. */
  readonly names: readonly string[];
  /**
   * Reads a register.
   * @param name - one of {@link names}
   * @returns its value, 64 bits
   */
  read(name: string): bigint;
  /**
   * Writes a register.
   * @param name - one of {@link names}
   * @param value - 64 bits
   */
  write(name: string, value: bigint): void;
}
