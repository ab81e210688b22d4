import { CONTRACT_VERSION } from "../contracts/index.js";
import type { Plugin } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

const ID = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const SYMBOL = /^[A-Z][A-Z0-9_]*$/;

/** The form of a field. */
interface FieldRule {
  readonly field: keyof Plugin;
  readonly holds: (value: unknown, candidate: Readonly<Record<string, unknown>>) => boolean;
  /** The error text if it does not hold; the value itself if left out. */
  readonly wrong?: string;
  readonly expected: string;
}

const ID_RULE: FieldRule = {
  field: "id",
  holds: (value) => typeof value === "string" && ID.test(value),
  expected: "lower case letters, digits and single hyphens, such as 'arm64-poe'",
};

/** Fields of every version of the contracts. */
const OF_EVERY_VERSION: readonly FieldRule[] = [
  { field: "kind", holds: (value) => value === "arch" || value === "feature", expected: "'arch' or 'feature'" },
  {
    field: "description",
    holds: (value) => typeof value === "string" && value.trim() !== "" && !value.includes("\n"),
    expected: "one line of text",
  },
  {
    field: "contract",
    holds: (value) => typeof value === "number",
    expected: `the version of the contracts that it was written against, now ${CONTRACT_VERSION}`,
  },
];

const OF_THIS_VERSION: readonly FieldRule[] = [
  { field: "setup", holds: (value) => typeof value === "function", expected: "a function" },
  {
    field: "dependencies",
    holds: (value = []) => Array.isArray(value) && value.every(isRecord),
    wrong: "its dependencies are not a list of plugins",
    expected: "the plugins themselves, not their ids",
  },
  {
    field: "config",
    holds: (value = []) => Array.isArray(value) && value.every(isConfigSymbol),
    wrong: "its config is not a list of config symbols",
    expected: "symbols in upper case without CONFIG_, with lists dependsOn and selects",
  },
  {
    field: "exercise",
    holds: (value, { kind }) => value === undefined || (typeof value === "function" && kind === "feature"),
    wrong: "its exercise is not a function of a feature",
    expected: "a function, and in features only",
  },
];

/**
 * Checks that the export of a package is a plugin of this version of the contracts.
 *
 * @param candidate - the export
 * @throws KpkeysError ERR_PLUGIN_INVALID for the first field with the wrong form, ERR_PLUGIN_CONTRACT
 */
export function checkPluginForm(candidate: unknown): asserts candidate is Plugin {
  if (!isRecord(candidate))
    throw invalid("a plugin", "it is not an object", "an object with id, kind, description, contract and setup");
  checkField("a plugin", candidate, ID_RULE);
  const where = `plugin '${candidate["id"] as string}'`;
  for (const rule of OF_EVERY_VERSION) checkField(where, candidate, rule);
  checkVersion(where, candidate["contract"] as number);
  for (const rule of OF_THIS_VERSION) checkField(where, candidate, rule);
}

/**
 * The plugins among the exports of a module, and in the arrays that it exports.
 *
 * @param exports - the module's exports by name
 * @returns the plugins, each once, in the order of the exports; {@link checkPluginForm} checks their form
 */
export function pluginsOf(exports: Readonly<Record<string, unknown>>): readonly Plugin[] {
  return [...new Set(Object.values(exports).flat().filter(looksLikePlugin))];
}

/** Whether a value is meant to be a plugin. */
function looksLikePlugin(value: unknown): value is Plugin {
  return isRecord(value) && "setup" in value && "kind" in value && "id" in value;
}

function checkField(where: string, candidate: Record<string, unknown>, rule: FieldRule): void {
  const { field, holds, wrong, expected } = rule;
  const value = candidate[field];
  if (!holds(value, candidate)) throw invalid(where, wrong ?? `its ${field} is ${shown(value)}`, expected);
}

/** Advice for a plugin of an older version, and for one of a newer version. */
const OLDER =
  `install a newer release of it, or change it: write contract: ${CONTRACT_VERSION}, compile it with this version of @kpkeys/core, and make ` +
  "numbers with toPfn, toVpn and toPkey, pass a page number instead of two words of an address, and test results for undefined or " +
  "!== 0 instead of -1 or < 0; the file migration-2.md of @kpkeys/core has every change";
const NEWER = "install the version of @kpkeys/core in its peerDependencies";

function checkVersion(where: string, contract: number): void {
  if (contract === CONTRACT_VERSION) return;
  throw new KpkeysError("ERR_PLUGIN_CONTRACT", `it was written against version ${contract} of the contracts`, {
    where,
    expected: `version ${CONTRACT_VERSION}: ${contract < CONTRACT_VERSION ? OLDER : NEWER}`,
  });
}

function isConfigSymbol(value: unknown): boolean {
  if (!isRecord(value)) return false;
  const { symbol, dependsOn = [], selects = [], default: standard = symbol } = value;
  return [[symbol, standard], dependsOn, selects].every((list) => Array.isArray(list) && list.every(isSymbolName));
}

function isSymbolName(value: unknown): boolean {
  return typeof value === "string" && SYMBOL.test(value) && !value.startsWith("CONFIG_");
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}

function invalid(where: string, what: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_PLUGIN_INVALID", what, { where, expected });
}
