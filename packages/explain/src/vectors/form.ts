import { KpkeysError } from "@kpkeys/core";
import type { FieldCheck, FieldForm, FieldForms, Vector, VectorForm } from "@kpkeys/core/contracts";
import { isHex } from "@kpkeys/core/machine";

/** The named forms. */
const NAMED: Readonly<Record<Extract<FieldForm, string>, FieldCheck>> = {
  flag: { expected: "0 or 1", accepts: (value) => value === 0 || value === 1 },
  whole: {
    expected: "a whole number, 0 or more",
    accepts: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  },
  bits32: { expected: "a hex string of up to 32 bits", accepts: (value) => isHex(value, 1) },
  bits64: { expected: "a hex string of up to 64 bits", accepts: (value) => isHex(value, 2) },
  entries: {
    expected: "a list of hex strings of up to 64 bits",
    accepts: (value) => Array.isArray(value) && value.every((entry) => isHex(entry, 2)),
  },
};

/** The check of a form. */
function checkOf(form: FieldForm): FieldCheck {
  if (typeof form === "string") return NAMED[form];
  if ("fields" in form) return checkOfFields(form.fields);
  if ("accepts" in form) return form;
  const words: readonly unknown[] = form;
  return { expected: form.join(" or "), accepts: (value) => words.includes(value) };
}

function checkOfFields(forms: FieldForms): FieldCheck {
  const fields = Object.entries(forms).map(([name, form]) => [name, checkOf(form)] as const);
  return {
    expected: `an object with ${fields.map(([name, { expected }]) => `${name}: ${expected}`).join(", ")}`,
    accepts(value, vector) {
      if (!isObject(value) || Object.keys(value).length !== fields.length) return false;
      return fields.every(([name, check]) => check.accepts(value[name], vector));
    },
  };
}

function isObject(value: unknown): value is Vector {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value !== "";
}

const TEXT: FieldCheck = { expected: "a text", accepts: isText };

/** The accessed address: accesses are eight bytes wide and aligned. */
const ADDRESS: FieldCheck = {
  expected: `${NAMED.bits64.expected}, a multiple of 8`,
  accepts: (value) => isHex(value, 2) && /[08]$/.test(value),
};

const RESULT: FieldForm = ["ok", "fault"];

/** The fields of every architecture. */
const COMMON: FieldForms = {
  id: TEXT,
  arch: TEXT,
  oracle: TEXT,
  kind: TEXT,
  level: ["4k", "2m", "1g"],
  va: ADDRESS,
  upper: "entries",
  pte: "bits64",
  frame: "bits64",
  result: RESULT,
};

/** A form, compiled to checks. */
interface CompiledForm {
  readonly arch: string;
  readonly neededBy: readonly (readonly [flag: string, fields: readonly string[]])[];
  readonly all: ReadonlyMap<string, FieldCheck>;
  readonly required: readonly string[];
  readonly together: readonly string[];
}

/**
 * Makes the check of a form: a field that is missing, unknown or malformed is an error.
 *
 * @param form - the architecture's part of the form
 * @returns a function that throws KpkeysError ERR_VECTOR_LINE for an invalid line
 */
export function createVectorCheck(form: VectorForm): (vector: Vector) => void {
  const compiled = compile(form);
  const { required, neededBy, together } = compiled;

  return (vector) => {
    requireAll(vector, required);
    checkValues(vector, compiled);
    for (const [flag, fields] of neededBy) if (vector[flag] === 1) requireAll(vector, fields);
    if (together.some((field) => vector[field] !== undefined)) requireAll(vector, together);
  };
}

function compile(form: VectorForm): CompiledForm {
  const { arch, accesses, given, optional = {}, neededBy = {}, judged, fault, someFaults = {} } = form;
  const required: FieldForms = { ...COMMON, access: accesses, ...given, ...judged };
  const disputable = new Set(["result", "prior.result", ...Object.keys({ ...judged, ...fault, ...someFaults })]);
  const prior: FieldForm = { fields: { access: accesses, result: RESULT } };
  const rest: FieldForms = { ...optional, ...fault, ...someFaults, prior, disputed: disputesAbout(disputable) };
  return {
    arch,
    neededBy: Object.entries(neededBy),
    all: new Map(Object.entries({ ...required, ...rest }).map(([name, each]) => [name, checkOf(each)])),
    required: Object.keys(required),
    together: Object.keys(fault),
  };
}

/** A list of objects: the field, the reason, and the value of another source under the name of that source. */
function disputesAbout(judged: ReadonlySet<unknown>): FieldCheck {
  return {
    expected: "a list of objects with a judged field, why it is disputed, and the values of other sources, all as text",
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
      throw invalidVector(vector, `a line of ${arch} has no field ${quoted(name)}`, [...all.keys()].join(", "));
    }
    if (!field.accepts(vector[name], vector)) {
      throw invalidVector(vector, `field '${name}' is ${quoted(vector[name])}`, field.expected);
    }
  }
}

function requireAll(vector: Vector, fields: readonly string[]): void {
  for (const field of fields) if (vector[field] === undefined) throw missing(vector, field);
}

function missing(vector: Vector, field: string): KpkeysError {
  return invalidVector(vector, `field '${field}' is missing`, "a line with all fields of its kind");
}

/** Longest value that a message prints in full. */
const SHOWN = 60;

/**
 * @param value - a value of a line
 * @returns it as JSON for a message, truncated if it is long
 */
export function quoted(value: unknown): string {
  const text = (JSON.stringify(value) as string | undefined) ?? "absent";
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

/**
 * @param vector - a line
 * @param what - the defect
 * @param expected - the valid form
 * @returns the error for an invalid line
 */
export function invalidVector(vector: Vector, what: string, expected: string): KpkeysError {
  const { id } = vector;
  const where = typeof id === "string" && id !== "" ? `vector ${quoted(id).slice(1, -1)}` : "vector without an id";
  return new KpkeysError("ERR_VECTOR_LINE", what, { where, expected });
}
