import { sharingText } from "@kpkeys/core";
import type { ErrorCode, KeyBudget } from "@kpkeys/core";
import { counted } from "./style.js";
import type { Style } from "./style.js";
import { layOut } from "./table.js";
import type { Row } from "./table.js";

/** Keys and contexts on one architecture. */
export interface ArchBudget {
  /** The architecture's id. */
  readonly arch: string;
  /** Ids of the features. */
  readonly features: readonly string[];
  /** Why the features cannot be in one machine, regardless of the number of keys; `null` when they can. */
  readonly conflict: {
    /** An error code. */
    readonly code: ErrorCode;
    /** The whole message. */
    readonly message: string;
  } | null;
  /** Contexts and keys; `null` after a conflict. */
  readonly budget: KeyBudget | null;
}

/** Most pairs of keys in the text report. The JSON document has all. */
const PAIRS = 10;

/**
 * The budgets as text: a table of contexts and keys for each architecture, and what sharing a key would expose.
 * @param arches - the budgets
 * @param style - its colours
 * @returns lines, the last with its line break
 */
export function budgetTextOf(arches: readonly ArchBudget[], style: Style): string {
  return arches.map((each) => sectionsOf(each, style).join("\n\n")).join("\n\n\n") + "\n";
}

function sectionsOf({ arch, features, conflict, budget }: ArchBudget, style: Style): string[] {
  if (conflict !== null)
    return [style.red(`${arch}: ${features.join(", ")} cannot be in one machine: ${conflict.message}`)];
  return budget === null ? [] : [headline(arch, budget, style), tableOf(budget, style), sharingOf(budget)];
}

function headline(arch: string, { register, keys, wanted, fits }: KeyBudget, style: Style): string {
  const used = `${arch}: uses ${wanted.length} of ${register}'s ${counted(keys, "key")}`;
  const free = keys - wanted.length;
  if (fits) return style.green(`${used}, ${free} free`);
  return style.red(`${used}, ${-free} too many: a machine with these features does not boot (ERR_PKEY_EXHAUSTED)`);
}

/** A row for each context, a column for each key. */
function tableOf({ wanted, contexts, keys }: KeyBudget, style: Style): string {
  const widest = Math.max(...wanted.flatMap(({ name, owner }) => [name.length, owner.length]));
  const label = Math.max("registered by".length, ...contexts.map(({ name }) => name.length)) + 2;
  return layOut(
    ["context", ...wanted.map(({ name }) => style.bold(name))],
    [
      ["number", ...wanted.map(({ number }) => (number < keys ? String(number) : style.red("none left")))],
      ["registered by", ...wanted.map(({ owner }) => owner)],
      ...contexts.map(({ name, rights }): Row => [name, ...wanted.map((key) => rights[key.name] ?? "")]),
    ],
    { columns: 1, label, column: Math.max(9, widest) + 2 },
  );
}

function sharingOf({ sharing }: KeyBudget): string {
  if (sharing.length === 0) return "No two features can share a key.";
  const lines = sharing.slice(0, PAIRS).map((pair) => `  ${pair.keys.join(" and ")}: ${sharingText(pair)}`);
  const rest = sharing.length - lines.length;
  if (rest > 0) lines.push(`  and ${counted(rest, "more pair")} (--json has all)`);
  return ["If two features shared a key:", ...lines].join("\n");
}
