import type { Kpkeys } from "./kpkeys.js";
import type { ProtectedObjects } from "./protected-objects.js";

/** A value that an explanation takes by name. */
export interface ExplainInput {
  /** The name, as a flag without its dashes: `esr`, `error-code`, `pte`. Two architectures may have inputs of one name. */
  readonly name: string;
  /** The manual's name: `ESR_EL1`, `CR2`; of a table entry Linux's: `pte`. */
  readonly label: string;
  /** What it is, for `--help`. */
  readonly description: string;
  /** Whether there is no explanation without it; for the others a value is assumed, and said. */
  readonly required: boolean;
}

/** The report of a fault, as text. */
export interface FaultQuestion {
  /**
   * Values by the names of {@link ExplainInput}: hexadecimal with or without `0x`, as an oops prints them. Table entries are
   * given by Linux's names of their levels.
   */
  readonly inputs: Readonly<Record<string, string>>;
  /** The table entries from the root down, the leaf last, if they are not among {@link inputs}. */
  readonly entries?: readonly string[];
}

/** A line of an architectural vector file. */
export interface VectorQuestion {
  /** The parsed line. */
  readonly vector: Readonly<Record<string, unknown>>;
}

/** What is to be explained. */
export type ExplainQuestion = FaultQuestion | VectorQuestion;

/** What an explanation knows of the kernel: the names and rights of keys and contexts, and what the keys are for. */
export interface ExplainKernel {
  /** Keys and contexts, frozen. */
  readonly kpkeys: Kpkeys;
  /** What the features protect. */
  readonly objects: ProtectedObjects;
}

/**
 * What a reason is about, in the order of an explanation.
 *
 * - `assumed` — something that was not given
 * - `report` — the fault report, decoded
 * - `walk` — one level of the table walk
 * - `rights` — what the entries allow, keys apart
 * - `key` — the key, and what its register withholds
 * - `context` — the kpkeys context that the register stands for
 * - `rule` — what decided
 * - `guard` — the guard that is likely missing
 * - `hardware` — what the hardware writes into the entries
 * - `agreement` — whether the report is what the model computes
 */
export type ReasonTopic =
  "assumed" | "report" | "walk" | "rights" | "key" | "context" | "rule" | "guard" | "hardware" | "agreement";

/** One step of an explanation. */
export interface Reason {
  /** What it is about. */
  readonly topic: ReasonTopic;
  /** In words; one line. */
  readonly text: string;
  /** The rule behind it: a section of the manual, a rule or a function of its pseudocode, a patch. */
  readonly source?: string;
}

/**
 * Which rule decided an access.
 *
 * - `none` — nothing denies it
 * - `translation` — an entry is not valid
 * - `address-size` — an address is impossible
 * - `access-flag` — the leaf was not accessed before, and hardware may not note it
 * - `reserved` — an entry has a reserved bit set
 * - `base` — the rights of the entries deny it, and the key does not
 * - `key` — the key denies it, whatever the entries say
 */
export type DecidingRule = "none" | "translation" | "address-size" | "access-flag" | "reserved" | "base" | "key";

/** What came of an access, and why. */
export interface ExplainVerdict {
  /** Whether it goes through. */
  readonly result: "ok" | "fault";
  /** The rule that decided. */
  readonly decidedBy: DecidingRule;
  /** Whether the report says the same as the model. */
  readonly agrees: boolean;
  /** In one sentence. */
  readonly text: string;
}

/** Why an access faults, or does not: the ordered reasons. */
export interface Explanation {
  /** The reasons, in the order in which the architecture asks. */
  readonly reasons: readonly Reason[];
  /** What came of it. */
  readonly verdict: ExplainVerdict;
}
