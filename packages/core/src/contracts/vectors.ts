import type { Privilege } from "./access.js";
import type { Cpu } from "./cpu.js";

/** A parsed line of an architectural vector file. */
export type Vector = Readonly<Record<string, unknown>>;

/**
 * The value of a field of a vector: a word, a bit pattern in hex, a number, `null` for no value, a list of entries, or an object of flags.
 */
export type VectorValue = string | number | null | readonly string[] | Readonly<Record<string, number>>;

/**
 * The form of a field of a vector:
 *
 * - `flag` — 0 or 1
 * - `whole` — an integer of 0 or more, such as `errno`
 * - `bits32`, `bits64` — a bit pattern in hex of up to 32 or 64 bits
 * - `entries` — a list of bit patterns of up to 64 bits: table entries, from the root down
 * - a list of words — one of them
 * - `fields` — an object with exactly these fields
 * - `accepts` — a check, with a description of the valid values
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
  /** Description of the valid values, for the error. */
  readonly expected: string;
  /**
   * Whether a value has this form.
   * @param value - the parsed JSON
   * @param vector - the line, whose other values are not checked yet
   */
  accepts(value: unknown, vector: Vector): boolean;
}

/** Forms by the names of their fields. */
export type FieldForms = Readonly<Record<string, FieldForm>>;

/** The form of an architecture's lines, without the fields of all architectures. */
export interface VectorForm {
  /** The value of the field `arch`. */
  readonly arch: string;
  /** If lines with the same `arch` have several forms: the field that distinguishes them, and its value for this form. */
  readonly when?: readonly [field: string, value: string];
  /** The names of accesses. */
  readonly accesses: readonly string[];
  /** Required inputs besides tables and access. */
  readonly given: FieldForms;
  /** Optional inputs; a missing flag is 0. */
  readonly optional?: FieldForms;
  /** Fields of {@link optional} that are required if a flag is 1, by the name of the flag. */
  readonly neededBy?: Readonly<Record<string, readonly string[]>>;
  /** Results that are judged on every line. */
  readonly judged: FieldForms;
  /** Register values after a fault, which are judged too. A line has all of these or none. */
  readonly fault: FieldForms;
  /** Register values that only some faults set; judged too. */
  readonly someFaults?: FieldForms;
}

/** The rules to run an architecture's vectors, as data. The tables have the levels of its `ExplainRules.format`. */
export interface VectorRules {
  /** The forms of its lines. */
  readonly forms: readonly VectorForm[];
  /** Flags of a line, by the register that has them, with their bits. Other bits do not change. */
  readonly flags: Readonly<Record<string, readonly (readonly [field: string, bits: bigint])[]>>;
  /** Registers whose value is a field of a line, with that field. */
  readonly registers: Readonly<Record<string, string>>;
  /** The fields with the key registers of the kernel and the user. */
  readonly keys: Readonly<Record<"kernel" | "user", string>>;
  /**
   * The privilege of a line's access.
   * @param vector - the line
   */
  privilegeOf(vector: Vector): Privilege;
  /**
   * The values that are judged besides result and entries, by the fields of the line's form.
   * @param vector - the line
   * @param cpu - the CPU after the access
   * @param ok - whether the access succeeded
   * @param leaf - the leaf after the access, in hex; `undefined` if it is not judged
   */
  report(vector: Vector, cpu: Cpu, ok: boolean, leaf: string | undefined): Readonly<Record<string, VectorValue>>;
}
