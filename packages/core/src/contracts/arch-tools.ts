import type { Cpu, FaultReport } from "./cpu.js";
import type { PhysicalMemory } from "./physical-memory.js";
import { token } from "./token.js";
import type { Token } from "./token.js";

/** One named field of a decoded value. */
export interface NamedField {
  /** The manual's name. */
  readonly name: string;
  /** The value as the kernel would print it: `0x000000409600004f`. */
  readonly text: string;
}

/** An architectural test vector that was carried out. */
export interface VectorOutcome {
  /**
   * Field names of the vector that the architecture judges, with what this model gives, in the vector's own form; `null` where
   * a field has no value, and compact JSON text where the vector has a list or an object.
   */
  readonly fields: Readonly<Record<string, string | number | null>>;
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
   * @param level - the level of the table that it stands in
   * @param high - bits 63 to 32
   * @param low - bits 31 to 0
   */
  ptdumpColumns(level: number, high: number, low: number): readonly string[];
  /**
   * Carries out one line of an architectural vector file: builds its tables in the memory, sets the registers, makes the
   * prior access and then the access.
   * @param vector - the parsed line
   * @param cpu - a CPU of this architecture, whose registers and TLB are overwritten
   * @param memory - the memory of that CPU, which is reset
   */
  runVector(vector: Readonly<Record<string, unknown>>, cpu: Cpu, memory: PhysicalMemory): VectorOutcome;
}

/** Token of {@link ArchTools}. */
export const ArchTools: Token<ArchTools> = token("ArchTools");
