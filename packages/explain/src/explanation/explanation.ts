import type { Kpkeys, ProtectedObjects, Vector } from "@kpkeys/core/contracts";

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
  /** Whether the kernel could not read the table below the last entry given: it prints `BAD`. */
  readonly unreadable?: boolean;
}

/** A line of an architectural vector file. */
export interface VectorQuestion {
  /** The parsed line. */
  readonly vector: Vector;
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
 * - `geometry` — the shape of the page tables, and how it is known
 * - `report` — the fault report, decoded
 * - `walk` — one level of the table walk
 * - `rights` — what the entries allow, keys apart
 * - `key` — the key, and what its register withholds
 * - `context` — the kpkeys context that the value of the register means
 * - `rule` — what decided
 * - `guard` — the guard that is likely missing
 * - `hardware` — what the hardware writes into the entries
 * - `agreement` — whether the report is what the model computes
 */
export type ReasonTopic =
  | "assumed"
  | "geometry"
  | "report"
  | "walk"
  | "rights"
  | "key"
  | "context"
  | "rule"
  | "guard"
  | "hardware"
  | "agreement";

/** One step of an explanation. */
export interface Reason {
  /** What it is about. */
  readonly topic: ReasonTopic;
  /** In words; one line. */
  readonly text: string;
  /** Where it is from: a section of the manual, a rule or a function of its pseudocode, a patch. */
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
 * - `key` — the key denies it, with any entries
 * - `other` — something that is no matter of tables or keys: alignment, the bus, tags, the RMP
 */
export type DecidingRule =
  "none" | "translation" | "address-size" | "access-flag" | "reserved" | "base" | "key" | "other";

/** What came of an access, and why. */
export interface ExplainVerdict {
  /** Whether tables, registers and keys decide the access; `not-tables` if the report is of something else. */
  readonly kind: "tables" | "not-tables";
  /** Whether it goes through. */
  readonly result: "ok" | "fault";
  /** The rule that decided. */
  readonly decidedBy: DecidingRule;
  /** Whether the report says the same as the model. */
  readonly agrees: boolean;
  /** In one sentence. */
  readonly text: string;
}

/** A change that lets a denied access through. */
export interface ExplainChange {
  /** In words: `CR4.SMAP were 0`. */
  readonly text: string;
  /** The inputs that differ, with their new values: the same question with these is explained as a success. */
  readonly inputs: Readonly<Record<string, string>>;
}

/** The shape of the page tables. */
export interface ExplainGeometry {
  /** Page size in bytes. */
  readonly pageSize: number;
  /** Width of virtual addresses in bits. */
  readonly vaBits: number;
  /** Linux's names of the levels, the top one first; folded levels are left out. */
  readonly levels: readonly string[];
}

/** Why an access faults, or does not: the ordered reasons. */
export interface Explanation {
  /** The shape of the tables; `null` where it is not known. */
  readonly geometry: ExplainGeometry | null;
  /** What would let the access through: one change, or two where one is not enough. */
  readonly whatIfs: readonly ExplainChange[];
  /** The reasons, in the order in which the architecture asks. */
  readonly reasons: readonly Reason[];
  /** What came of it. */
  readonly verdict: ExplainVerdict;
}
