import type { Vector, VectorValue } from "@kpkeys/core/contracts";
import { highWord, lowWord } from "@kpkeys/core/machine";

/** What the model makes of a vector: the fields that the architecture judges; `prior.result` is that field of the field `prior`. */
export type VectorOutcome = Readonly<Record<string, VectorValue>>;

/** A judged field on which model and vector differ. */
export interface VectorDisagreement {
  /** The field. */
  readonly field: string;
  /** What the vector says. */
  readonly expected: VectorValue;
  /** What the model gives. */
  readonly model: VectorValue;
}

/** What came of a vector. */
export interface VectorVerdict {
  /** The fields on which model and vector differ; empty when the model is right. */
  readonly disagreements: readonly VectorDisagreement[];
  /** The fields that were not judged. */
  readonly skipped: readonly string[];
}

/**
 * Compares what a model made of a vector with what the vector says: every judged field but those that the vector lists as
 * disputed, and the tables above the leaf after a fault. No field is skipped for the sake of another.
 *
 * @param vector - the line
 * @param fields - what the model made of it
 * @returns where they differ, and what was not judged
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

/** What a vector says of a field that {@link VectorOutcome} names; `null` where the vector does not have it. */
function valueOf(vector: Vector, field: string): VectorValue {
  const value = field === "prior.result" ? (vector["prior"] as Vector | undefined)?.["result"] : vector[field];
  return (value ?? null) as VectorValue;
}

/** Bit patterns are compared by their value, lists and objects part by part. */
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
