import type { Cpu, FaultReport } from "./cpu.js";
import type { Explanation, ExplainInput, ExplainKernel, ExplainQuestion, OopsForm } from "./explanation.js";
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

/**
 * What a field of a vector holds, in the vector's own form: a word, a bit pattern in hex, a number, `null` where the field has
 * no value, a list of entries or an object of flags.
 */
export type VectorValue = string | number | null | readonly string[] | Readonly<Record<string, number>>;

/** An architectural test vector that was carried out. */
export interface VectorOutcome {
  /** The fields that the architecture judges, with what this model gives; `prior.result` is that field of the field `prior`. */
  readonly fields: Readonly<Record<string, VectorValue>>;
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
  /** What the field `arch` says of the lines of architectural vector files that this architecture carries out. */
  readonly vectorArches: readonly string[];
  /**
   * Carries out one line of an architectural vector file: builds its tables in the memory, sets the registers, makes the
   * prior access and then the access. The tables are left standing, for a walk.
   * @param vector - the parsed line
   * @param cpu - a CPU of this architecture, whose registers and TLB are overwritten
   * @param memory - the memory of that CPU, which is reset
   * @throws KpkeysError ERR_VECTOR_LINE for a field that is missing or unknown, or holds what it cannot hold
   */
  runVector(vector: Readonly<Record<string, unknown>>, cpu: Cpu, memory: PhysicalMemory): VectorOutcome;
  /** The values that {@link explain} takes by name. */
  readonly explainInputs: readonly ExplainInput[];
  /** How its fault reports look in a kernel log; left out if they are not read. */
  readonly oops?: OopsForm;
  /**
   * Explains an access from the report of its fault, or from a line of an architectural vector file: makes it on a CPU of its
   * own, and says why that CPU decides as it does.
   * @param question - what is known of it
   * @param kernel - names and rights of keys and contexts
   * @throws KpkeysError ERR_EXPLAIN_INPUT for inputs that are unknown, missing, contradictory or no numbers; ERR_VECTOR_LINE;
   * ERR_EXPLAIN_LIMIT for what the model does not cover
   */
  explain(question: ExplainQuestion, kernel: ExplainKernel): Explanation;
}

/** Token of {@link ArchTools}. */
export const ArchTools: Token<ArchTools> = token("ArchTools");
