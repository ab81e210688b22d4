import { KpkeysError } from "../errors.js";
import { isHex } from "./words.js";

/** A parsed line of an architectural vector file. */
export type Vector = Readonly<Record<string, unknown>>;

/** What a field of a vector may hold. */
export interface FieldForm {
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
  /** Where lines of one `arch` have several forms: which field tells them apart, and what it holds in this one. */
  readonly when?: readonly [field: string, value: string];
  /** What a line may call its accesses. */
  readonly accesses: readonly string[];
  /** What a line gives beside tables and access. */
  readonly given: FieldForms;
  /** What a line may give beside; a flag that is absent is 0. */
  readonly optional?: FieldForms;
  /** Fields of {@link optional} that must be there when a flag is 1, by the name of the flag. */
  readonly neededBy?: Readonly<Record<string, readonly string[]>>;
  /** What is judged on every line beside the result. */
  readonly judged: FieldForms;
  /** What a fault leaves behind, which is judged too: a line has all of these or none. */
  readonly fault: FieldForms;
  /** What not every fault leaves behind; judged likewise. */
  readonly someFaults?: FieldForms;
}

/** 0 or 1. */
export const FLAG: FieldForm = { expected: "0 or 1", accepts: (value) => value === 0 || value === 1 };

/** A number such as `errno`. */
export const WHOLE: FieldForm = {
  expected: "a whole number, 0 or more",
  accepts: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
};

/** A bit pattern of up to 32 bits. */
export const BITS_32: FieldForm = { expected: "a hex string of up to 32 bits", accepts: (value) => isHex(value, 1) };

/** A bit pattern of up to 64 bits. */
export const BITS_64: FieldForm = { expected: "a hex string of up to 64 bits", accepts: (value) => isHex(value, 2) };

/** Entries of tables, from the root down. */
export const ENTRIES: FieldForm = {
  expected: "a list of hex strings of up to 64 bits",
  accepts: (value) => Array.isArray(value) && value.every((entry) => isHex(entry, 2)),
};

/**
 * One of several words.
 *
 * @param words - the words
 */
export function oneOf(...words: readonly string[]): FieldForm {
  return { expected: words.join(" or "), accepts: (value) => typeof value === "string" && words.includes(value) };
}

/**
 * An object that has certain fields and no other.
 *
 * @param forms - its fields
 */
export function objectOf(forms: FieldForms): FieldForm {
  const fields = Object.entries(forms);
  return {
    expected: `an object with ${fields.map(([name, { expected }]) => `${name}: ${expected}`).join(", ")}`,
    accepts(value, vector) {
      if (!isObject(value) || Object.keys(value).length !== fields.length) return false;
      return fields.every(([name, form]) => form.accepts(value[name], vector));
    },
  };
}

function isObject(value: unknown): value is Vector {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

const TEXT: FieldForm = { expected: "a text", accepts: isText };

/** An address of what is accessed, which is eight bytes wide and aligned. */
const ADDRESS: FieldForm = {
  expected: `${BITS_64.expected}, a multiple of 8`,
  accepts: (value) => isHex(value, 2) && /[08]$/.test(value),
};

const RESULT = oneOf("ok", "fault");

/** What lines of every architecture have. */
const COMMON: FieldForms = {
  id: TEXT,
  arch: TEXT,
  oracle: TEXT,
  kind: TEXT,
  level: oneOf("4k", "2m", "1g"),
  va: ADDRESS,
  upper: ENTRIES,
  pte: BITS_64,
  frame: BITS_64,
  result: RESULT,
};

/** Every field that lines of a form can have, and what follows of it. */
interface CompiledForm extends VectorForm {
  readonly all: ReadonlyMap<string, FieldForm>;
  readonly required: readonly string[];
  readonly together: readonly string[];
}

/**
 * Makes the check that a line has a form: whatever is missing, unknown or of another form is refused.
 *
 * @param form - the architecture's part of it
 * @returns throws KpkeysError ERR_VECTOR_LINE unless the line is good
 */
export function createVectorCheck(form: VectorForm): (vector: Vector) => void {
  const compiled = compile(form);
  const { required, neededBy = {}, together } = compiled;
  const flags = Object.entries(neededBy);

  return (vector) => {
    requireAll(vector, required);
    checkValues(vector, compiled);
    for (const [flag, fields] of flags) if (vector[flag] === 1) requireAll(vector, fields);
    if (together.some((field) => vector[field] !== undefined)) requireAll(vector, together);
  };
}

function compile(form: VectorForm): CompiledForm {
  const { accesses, given, optional = {}, judged, fault, someFaults = {} } = form;
  const access = oneOf(...accesses);
  const required = { ...COMMON, access, ...given, ...judged };
  const disputable = new Set(["result", "prior.result", ...Object.keys({ ...judged, ...fault, ...someFaults })]);
  const prior = objectOf({ access, result: RESULT });
  const rest = { ...optional, ...fault, ...someFaults, prior, disputed: disputesAbout(disputable) };
  return {
    ...form,
    all: new Map(Object.entries({ ...required, ...rest })),
    required: Object.keys(required),
    together: Object.keys(fault),
  };
}

/** A list of objects: which field, why, and what another source says, under the name of that source. */
function disputesAbout(judged: ReadonlySet<unknown>): FieldForm {
  return {
    expected: "a list of objects with a judged field, why it is disputed, and what others say, all as text",
    accepts: (value) =>
      Array.isArray(value) &&
      value.every(
        (dispute) =>
          isObject(dispute) &&
          judged.has(dispute["field"]) &&
          isText(dispute["why"]) &&
          Object.values(dispute).every(isText),
      ),
  };
}

function checkValues(vector: Vector, { arch, all }: CompiledForm): void {
  for (const name in vector) {
    const field = all.get(name);
    if (field === undefined) {
      throw refuseVector(vector, `there is no field ${quoted(name)} on a line of ${arch}`, [...all.keys()].join(", "));
    }
    if (!field.accepts(vector[name], vector)) {
      throw refuseVector(vector, `field '${name}' is ${quoted(vector[name])}`, field.expected);
    }
  }
}

function requireAll(vector: Vector, fields: readonly string[]): void {
  for (const field of fields) if (vector[field] === undefined) throw missing(vector, field);
}

function missing(vector: Vector, field: string): KpkeysError {
  return refuseVector(vector, `field '${field}' is missing`, "a line with all fields of its kind");
}

/** Longest value that a message shows whole. */
const SHOWN = 60;

/**
 * @param value - something of a line
 * @returns it as JSON for a message, its end left out when it is long
 */
export function quoted(value: unknown): string {
  const text = (JSON.stringify(value) as string | undefined) ?? "absent";
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

/**
 * @param vector - a line
 * @param what - what is wrong with it
 * @param expected - what would have been right
 * @returns the error to throw
 */
export function refuseVector(vector: Vector, what: string, expected: string): KpkeysError {
  const { id } = vector;
  const where = typeof id === "string" && id !== "" ? `vector ${quoted(id).slice(1, -1)}` : "vector without an id";
  return new KpkeysError("ERR_VECTOR_LINE", what, { where, expected });
}
