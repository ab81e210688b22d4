import type { VectorOutcome } from "../contracts/index.js";
import type { Vector } from "./vectors.js";

/** A judged field on which model and vector differ. */
export interface VectorDisagreement {
  /** The field. */
  readonly field: string;
  /** What the vector says. */
  readonly expected: string | number | null;
  /** What the model gives. */
  readonly actual: string | number | null;
}

/** A field of a vector in the form in which {@link VectorOutcome} gives it. */
function comparable(value: unknown): string | number | null {
  if (typeof value === "string" || typeof value === "number") return value;
  return value === undefined || value === null ? null : JSON.stringify(value);
}

/** Fields that repeat a part of another, decoded: the dispute about that one is a dispute about them. */
const DECODED_FROM: Readonly<Record<string, string>> = {
  ad_after: "pte_after",
  ec: "esr",
  fsc: "esr",
  wnr: "esr",
  overlay: "esr",
  dirtybit: "esr",
};

/** Names of the fields that the sources of a vector disagree on. */
function disputed(vector: Vector): ReadonlySet<unknown> {
  const list = vector["disputed"];
  return new Set(Array.isArray(list) ? list.map((entry: { readonly field?: unknown }) => entry.field) : []);
}

/**
 * Compares what a model made of a vector with what the vector says: every field of the outcome, except those that the vector
 * itself lists as disputed and what is decoded from them.
 *
 * @param vector - the line
 * @param outcome - what `ArchTools.runVector` gave
 * @returns the fields that differ; empty when the model is right
 */
export function judgeVector(vector: Vector, outcome: VectorOutcome): readonly VectorDisagreement[] {
  const skipped = disputed(vector);
  return Object.entries(outcome.fields)
    .map(([field, actual]) => ({ field, expected: comparable(vector[field]), actual }))
    .filter(({ field }) => !skipped.has(field) && !skipped.has(DECODED_FROM[field]))
    .filter(({ expected, actual }) => expected !== actual);
}
