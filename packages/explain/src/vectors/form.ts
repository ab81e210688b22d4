import { KpkeysError } from "@kpkeys/core";
import type { FieldCheck, FieldForm, FieldForms, Vector, VectorForm } from "@kpkeys/core/contracts";
import { isHex } from "@kpkeys/core/machine";

/** The forms that have a name. */
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

/** An address of what is accessed, which is eight bytes wide and aligned. */
const ADDRESS: FieldCheck = {
  expected: `${NAMED.bits64.expected}, a multiple of 8`,
  accepts: (value) => isHex(value, 2) && /[08]$/.test(value),
};

const RESULT: FieldForm = ["ok", "fault"];

/** What lines of every architecture have. */
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

/** Every field that lines of a form can have, and what follows of it. */
interface CompiledForm {
  readonly arch: string;
  readonly neededBy: readonly (readonly [flag: string, fields: readonly string[]])[];
  readonly all: ReadonlyMap<string, FieldCheck>;
  readonly required: readonly string[];
  readonly together: readonly string[];
}

/**
 * Makes the check that a line has a form: a field that is missing, unknown or of another form is refused.
 *
 * @param form - the architecture's part of it
 * @returns throws KpkeysError ERR_VECTOR_LINE unless the line is good
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

/** A list of objects: which field, why, and what another source says, under the name of that source. */
function disputesAbout(judged: ReadonlySet<unknown>): FieldCheck {
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
