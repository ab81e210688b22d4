/**
 * The registers that decide an access besides the entries and the key register: TCR_EL1, TCR2_EL1, SCTLR_EL1, PIR_EL1, PIRE0_EL1, POR_EL0,
 * PSTATE; CR0, CR4, EFER, PKRU, RFLAGS.AC. Tools access them by the manual's names. A write takes effect at once. It clears the fast tags of
 * the TLB; the kernel writes these registers during boot only.
 */
export interface SystemRegisters {
  /** Names of all registers of the architecture, in the order of printing. */
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
