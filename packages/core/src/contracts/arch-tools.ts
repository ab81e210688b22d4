import type { FaultReport } from "./cpu.js";
import type { ExplainRules } from "./explanation.js";
import { token } from "./token.js";
import type { Token } from "./token.js";
import type { VectorRules } from "./vectors.js";

/** One named field of a decoded value. */
export interface NamedField {
  /** The manual's name. */
  readonly name: string;
  /** The value as the kernel prints it: `0x000000409600004f`. */
  readonly text: string;
}

/** Functions of an architecture for tools that are the same on all architectures. */
export interface ArchTools {
  /**
   * Linux's text for a fault: the first line of an oops.
   * @param fault - a report
   */
  describeFault(fault: FaultReport): string;
  /**
   * The registers that report a fault: ESR_EL1 and FAR_EL1; error code and CR2.
   * @param fault - a report
   */
  faultRegisters(fault: FaultReport): readonly NamedField[];
  /**
   * The columns of a ptdump line for a leaf.
   * @param level - the level of its table
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   */
  ptdumpColumns(level: number, high: number, low: number): readonly string[];
  /** Rules with which `@kpkeys/explain` explains accesses. */
  readonly explanation: ExplainRules;
  /** Rules with which `@kpkeys/explain` runs architectural vectors; left out if there are none. */
  readonly vectors?: VectorRules;
}

/** Token of {@link ArchTools}. */
export const ArchTools: Token<ArchTools> = token("ArchTools");
