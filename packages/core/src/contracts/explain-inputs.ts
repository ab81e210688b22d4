/** A value that an explanation takes by name. */
export interface ExplainInputRule {
  /** The name, as a flag without its dashes: `esr`, `error-code`. Two architectures may have inputs of one name. */
  readonly name: string;
  /** The manual's name: `ESR_EL1`, `CR2`. */
  readonly label: string;
  /** What it is, for `--help`. */
  readonly description: string;
  /**
   * What the value is:
   *
   * - `syndrome` — what the CPU reports of a fault; required
   * - `address` — the address accessed, which it reports too; required
   * - `keys` — the kernel's key register; if not given, its value in the context DEFAULT
   * - `register` — a system register, by its label; if not given, what the architecture's CPU has after Linux has set it up
   * - `choice` — something else, with a standard value
   * - `shown` — printed where it is given, and decides nothing
   */
  readonly role: "syndrome" | "address" | "keys" | "register" | "choice" | "shown";
  /** How wide it is in bits. */
  readonly bits: number;
  /** Whether it is a number such as a width, written in decimal. */
  readonly decimal?: true;
  /** Value of a choice that is not given. */
  readonly standard?: bigint;
  /** Whose value is assumed if it may be left out: `as Linux sets it`. */
  readonly whose?: string;
}

/** The inputs of a question, table entries apart. */
export interface GivenInputs {
  /** Values by the inputs' names, assumed ones too; an address or a `shown` value that is not given is 0. */
  readonly values: Readonly<Record<string, bigint>>;
  /** The inputs that were given, as text. */
  readonly given: Readonly<Record<string, string>>;
}

/** How an architecture's fault reports look in a kernel log. The patterns match anywhere in a line: a log has many prefixes. */
export interface OopsForm {
  /** First lines of a report. */
  readonly heads: readonly RegExp[];
  /** Lines on signals of user processes, each a report of one line: explained where a log has no report of the kernel's. */
  readonly signals: readonly RegExp[];
  /** Lines that belong to an open report, and begin one where none is open: the line of `die()`. */
  readonly deaths: readonly RegExp[];
  /**
   * Where inputs are found. The named groups are the inputs' names, with `_` for `-`. Of several patterns with the same input,
   * the first that matches in a report counts.
   */
  readonly patterns: readonly RegExp[];
  /** What a report looks like that this model does not cover, by name: a 32-bit kernel. */
  readonly foreign: readonly (readonly [name: string, pattern: RegExp])[];
}
