import type { Kpkeys, ProtectedObjects, Vector } from "@kpkeys/core/contracts";

/** A named input of an explanation. */
export interface ExplainInput {
  /** The name, as a flag without its dashes: `esr`, `error-code`, `pte`. Two architectures may have inputs of the same name. */
  readonly name: string;
  /** The manual's name: `ESR_EL1`, `CR2`; for a table entry Linux's: `pte`. */
  readonly label: string;
  /** A description for `--help`. */
  readonly description: string;
  /** Whether the input is required; the others have a default, which is listed as an assumption. */
  readonly required: boolean;
}

/** A fault report, as text. */
export interface FaultQuestion {
  /**
   * Values by the names of {@link ExplainInput}: hexadecimal with or without `0x`, as an oops prints them. Table entries have
   * Linux's names of their levels.
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

/** A fault report or a vector. */
export type ExplainQuestion = FaultQuestion | VectorQuestion;

/** The kernel of an explanation: names, rights and purpose of keys and contexts. */
export interface ExplainKernel {
  /** Keys and contexts, frozen. */
  readonly kpkeys: Kpkeys;
  /** The objects that features protect. */
  readonly objects: ProtectedObjects;
}

/**
 * Topic of a reason, in the order of an explanation.
 *
 * - `assumed` — an input that was not given
 * - `geometry` — the geometry of the page tables
 * - `report` — the fault report, decoded
 * - `walk` — one level of the table walk
 * - `rights` — the rights of the entries, without keys
 * - `key` — the key, and its rights in the key register
 * - `context` — the kpkeys context of the register's value
 * - `rule` — the rule that decides
 * - `guard` — the guard that is probably missing
 * - `hardware` — writes of the hardware to the entries
 * - `agreement` — whether the report matches the model
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
  /** The topic. */
  readonly topic: ReasonTopic;
  /** One line of text. */
  readonly text: string;
  /** The source: a section of the manual, a rule or a function of its pseudocode, a patch. */
  readonly source?: string;
}

/**
 * The rule that decides an access.
 *
 * - `none` — no rule denies it
 * - `translation` — an entry is not valid
 * - `address-size` — an address is too wide
 * - `access-flag` — the access flag of the leaf is clear, and hardware may not set it
 * - `reserved` — an entry has a reserved bit set
 * - `base` — the rights of the entries deny it, the key does not
 * - `key` — the key denies it, whether or not the entries do
 * - `other` — a check other than tables and keys: alignment, the bus, tags, the RMP
 */
export type DecidingRule =
  "none" | "translation" | "address-size" | "access-flag" | "reserved" | "base" | "key" | "other";

/** The result of an access, and the reason. */
export interface ExplainVerdict {
  /** `tables` if tables, registers and keys decide the access; `not-tables` for any other fault. */
  readonly kind: "tables" | "not-tables";
  /** Whether the access succeeds. */
  readonly result: "ok" | "fault";
  /** The rule that decides. */
  readonly decidedBy: DecidingRule;
  /** Whether the report matches the model. */
  readonly agrees: boolean;
  /** One sentence. */
  readonly text: string;
}

/** A change with which a denied access succeeds. */
export interface ExplainChange {
  /** The change in words: `CR4.SMAP were 0`. */
  readonly text: string;
  /** The inputs that differ, with their new values: with these, the question's access succeeds. */
  readonly inputs: Readonly<Record<string, string>>;
}

/** The geometry of the page tables. */
export interface ExplainGeometry {
  /** Page size in bytes. */
  readonly pageSize: number;
  /** Width of virtual addresses in bits. */
  readonly vaBits: number;
  /** Linux's names of the levels, the top one first, without folded levels. */
  readonly levels: readonly string[];
}

/** The ordered reasons why an access faults or succeeds. */
export interface Explanation {
  /** The geometry of the tables; `null` if it is not known. */
  readonly geometry: ExplainGeometry | null;
  /** Changes with which the access succeeds: one change each, or two if one is not enough. */
  readonly whatIfs: readonly ExplainChange[];
  /** The reasons, in the order of the architecture's checks. */
  readonly reasons: readonly Reason[];
  /** The result. */
  readonly verdict: ExplainVerdict;
}
