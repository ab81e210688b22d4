import type { FaultReport } from "./cpu.js";
import type { ExplainRules } from "./explanation.js";
import { token } from "./token.js";
import type { Token } from "./token.js";
import type { VectorRules } from "./vectors.js";

/** One named field of a decoded value. */
export interface NamedField {
  /** The manual's name. */
  readonly name: string;
  /** The value as the kernel would print it: `0x000000409600004f`. */
  readonly text: string;
}

/** What tools ask of an architecture, so that none needs to know which it has. */
export interface ArchTools {
  /**
   * The kernel's words for a fault: one line, as an oops starts.
   * @param fault - a report
   */
  describeFault(fault: FaultReport): string;
  /**
   * The registers that a fault is reported in: ESR_EL1 and FAR_EL1; error code and CR2.
   * @param fault - a report
   */
  faultRegisters(fault: FaultReport): readonly NamedField[];
  /**
   * The columns of a ptdump line for a leaf.
   * @param level - the level of the table that it is in
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   */
  ptdumpColumns(level: number, high: number, low: number): readonly string[];
  /** How its accesses are explained, by `@kpkeys/explain`. */
  readonly explanation: ExplainRules;
  /** How its architectural vectors are carried out, by `@kpkeys/explain`; left out if there are none. */
  readonly vectors?: VectorRules;
}

/** Token of {@link ArchTools}. */
export const ArchTools: Token<ArchTools> = token("ArchTools");
