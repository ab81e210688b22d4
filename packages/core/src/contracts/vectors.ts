import type { Privilege } from "./access.js";
import type { Cpu } from "./cpu.js";

/** A parsed line of an architectural vector file. */
export type Vector = Readonly<Record<string, unknown>>;

/**
 * What a field of a vector holds, in the vector's own form: a word, a bit pattern in hex, a number, `null` where the field has
 * no value, a list of entries or an object of flags.
 */
export type VectorValue = string | number | null | readonly string[] | Readonly<Record<string, number>>;

/**
 * What a field of a vector may hold:
 *
 * - `flag` — 0 or 1
 * - `whole` — a whole number such as `errno`, 0 or more
 * - `bits32`, `bits64` — a bit pattern in hex of up to so many bits
 * - `entries` — a list of bit patterns of up to 64 bits: table entries, from the root down
 * - a list — one of several words
 * - `fields` — an object that has certain fields and no other
 * - `accepts` — what a check accepts, with what it expects in words
 */
export type FieldForm =
  | "flag"
  | "whole"
  | "bits32"
  | "bits64"
  | "entries"
  | readonly string[]
  | {
      /** The fields. */
      readonly fields: FieldForms;
    }
  | FieldCheck;

/** A check of a field's value. */
export interface FieldCheck {
  /** In words, for the message that refuses anything else. */
  readonly expected: string;
  /**
   * Whether a value has this form.
   * @param value - as JSON gave it
   * @param vector - the line, of whose other values nothing is known yet
   */
  accepts(value: unknown, vector: Vector): boolean;
}

/** Forms by the names of their fields. */
export type FieldForms = Readonly<Record<string, FieldForm>>;

/** The form of an architecture's lines. Fields that every architecture has are not in it. */
export interface VectorForm {
  /** What the field `arch` says of such a line. */
  readonly arch: string;
  /** Where lines of one `arch` have several forms: which field distinguishes them, and what it holds in this one. */
  readonly when?: readonly [field: string, value: string];
  /** What a line may call its accesses. */
  readonly accesses: readonly string[];
  /** What a line gives besides tables and access. */
  readonly given: FieldForms;
  /** What a line may give as well; a flag that is absent is 0. */
  readonly optional?: FieldForms;
  /** Fields of {@link optional} that must be there when a flag is 1, by the name of the flag. */
  readonly neededBy?: Readonly<Record<string, readonly string[]>>;
  /** What is judged on every line besides the result. */
  readonly judged: FieldForms;
  /** What a fault leaves in the registers, which is judged too: a line has all of these or none. */
  readonly fault: FieldForms;
  /** What not every fault leaves there; judged likewise. */
  readonly someFaults?: FieldForms;
}

/** How an architecture carries out its vectors, as data: the tables have the levels of its `ExplainRules.format`. */
export interface VectorRules {
  /** The forms of its lines. */
  readonly forms: readonly VectorForm[];
  /** Flags of a line by the register that holds them, with their bits there. Bits that no flag names stay as they are. */
  readonly flags: Readonly<Record<string, readonly (readonly [field: string, bits: bigint])[]>>;
  /** Registers that are a field of a line as a whole, with that field. */
  readonly registers: Readonly<Record<string, string>>;
  /** The fields that hold the kernel's key register and the user's. */
  readonly keys: Readonly<Record<"kernel" | "user", string>>;
  /**
   * On whose behalf a line's access is made.
   * @param vector - the line
   */
  privilegeOf(vector: Vector): Privilege;
  /**
   * What the architecture judges besides result and entries, by the fields of the line's form.
   * @param vector - the line
   * @param cpu - the CPU after the access
   * @param ok - whether the access went through
   * @param leaf - the leaf after the access, in hex; `undefined` on lines where it is not judged
   */
  report(vector: Vector, cpu: Cpu, ok: boolean, leaf: string | undefined): Readonly<Record<string, VectorValue>>;
}
