/** A named input of an explanation. */
export interface ExplainInputRule {
  /** The name, as a flag without its dashes: `esr`, `error-code`. Two architectures may use the same name. */
  readonly name: string;
  /** The manual's name: `ESR_EL1`, `CR2`. */
  readonly label: string;
  /** One line for `--help`. */
  readonly description: string;
  /**
   * The meaning of the value:
   *
   * - `syndrome` — the syndrome of the fault; required
   * - `address` — the faulting address; required
   * - `keys` — the kernel's key register; its value in the context DEFAULT if not given
   * - `fetch-keys` — the kernel's register for fetches, of an architecture that has one; its value in the context DEFAULT if not given
   * - `register` — a system register, by its label; the value that Linux sets if not given
   * - `choice` — another value, with a default
   * - `shown` — printed if given, without effect
   */
  readonly role: "syndrome" | "address" | "keys" | "fetch-keys" | "register" | "choice" | "shown";
  /** Width in bits. */
  readonly bits: number;
  /** Whether it is written in decimal, such as a width. */
  readonly decimal?: true;
  /** Default of a `choice`. */
  readonly standard?: bigint;
  /** Description of the value that is assumed if it is not given: `as Linux sets it`. */
  readonly whose?: string;
}

/** The inputs of an explanation, without table entries. */
export interface GivenInputs {
  /** Values by input name, including assumed ones; an address or a `shown` value that is not given is 0. */
  readonly values: Readonly<Record<string, bigint>>;
  /** The inputs that were given, as text. */
  readonly given: Readonly<Record<string, string>>;
}

/** The form of an architecture's fault reports in a kernel log. The patterns match at any position, because log lines have prefixes. */
export interface OopsForm {
  /** First lines of a report. */
  readonly heads: readonly RegExp[];
  /** Lines about signals of user processes, each a report of one line. They are explained if a log has no kernel report. */
  readonly signals: readonly RegExp[];
  /** Lines that belong to an open report, or begin a report if none is open: the line of `die()`. */
  readonly deaths: readonly RegExp[];
  /**
   * Patterns of inputs. The named groups are the names of the inputs, with `_` for `-`. If several patterns have the same input, the
   * first match in a report counts.
   */
  readonly patterns: readonly RegExp[];
  /** Reports that the model does not support, by name: those of a 32-bit kernel. */
  readonly foreign: readonly (readonly [name: string, pattern: RegExp])[];
}
