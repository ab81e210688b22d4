import type { Vector, VectorValue } from "@kpkeys/core/contracts";
import { highWord, lowWord } from "@kpkeys/core/machine";

/** The model's values of the judged fields of a vector; `prior.result` is the field `result` of `prior`. */
export type VectorOutcome = Readonly<Record<string, VectorValue>>;

/** A judged field on which model and vector differ. */
export interface VectorDisagreement {
  /** The field. */
  readonly field: string;
  /** The vector's value. */
  readonly expected: VectorValue;
  /** The model's value. */
  readonly model: VectorValue;
}

/** The comparison of a vector with the model. */
export interface VectorVerdict {
  /** The fields on which model and vector differ; empty if they agree. */
  readonly disagreements: readonly VectorDisagreement[];
  /** The fields that were not judged. */
  readonly skipped: readonly string[];
}

/**
 * Compares the model's values with the vector's: every judged field except those that the vector lists as disputed, and the tables
 * above the leaf after a fault.
 *
 * @param vector - the line
 * @param fields - the model's values
 */
export function judgeVector(vector: Vector, fields: VectorOutcome): VectorVerdict {
  const disputes = vector["disputed"] as readonly { readonly field: string }[] | undefined;
  const faulted = vector["result"] === "fault" || fields["result"] === "fault";
  const disagreements: VectorDisagreement[] = [];
  const skipped: string[] = [];
  for (const field in fields) {
    const isDisputed = disputes?.some((dispute) => dispute.field === field) === true;
    if (isDisputed || (faulted && field === "upper_after")) {
      skipped.push(field);
      continue;
    }
    const expected = valueOf(vector, field);
    const model = fields[field]!;
    if (!isSame(expected, model)) disagreements.push({ field, expected, model });
  }
  return { disagreements, skipped };
}

/** @returns the vector's value of a field of {@link VectorOutcome}; `null` if the vector does not have the field */
function valueOf(vector: Vector, field: string): VectorValue {
  const value = field === "prior.result" ? (vector["prior"] as Vector | undefined)?.["result"] : vector[field];
  return (value ?? null) as VectorValue;
}

/** Compares bit patterns by value, lists and objects by their parts. */
function isSame(expected: VectorValue, model: VectorValue): boolean {
  if (expected === model) return true;
  if (typeof expected === "string" && typeof model === "string") return isSameHex(expected, model);
  if (typeof expected !== "object" || typeof model !== "object" || expected === null || model === null) return false;
  const parts = Object.entries(expected) as [string, VectorValue][];
  const others = model as Readonly<Record<string, VectorValue>>;
  return (
    parts.length === Object.keys(others).length && parts.every(([name, part]) => isSame(part, others[name] ?? null))
  );
}

function isSameHex(one: string, other: string): boolean {
  if (!one.startsWith("0x") || !other.startsWith("0x")) return false;
  return highWord(one) === highWord(other) && lowWord(one) === lowWord(other);
}
