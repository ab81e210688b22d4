import { CONTRACT_VERSION } from "../contracts/index.js";
import type { Plugin } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

const ID = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const SYMBOL = /^[A-Z][A-Z0-9_]*$/;

/**
 * Checks that something is a plugin of this version: what a package exports may come from anywhere.
 *
 * @param candidate - what a package exports as its plugin
 * @throws KpkeysError ERR_PLUGIN_INVALID for the first field with the wrong form, ERR_PLUGIN_CONTRACT
 */
export function checkPluginForm(candidate: unknown): asserts candidate is Plugin {
  if (!isRecord(candidate))
    throw invalid("a plugin", "it is no object", "an object with id, kind, description, contract and setup");
  const { id, kind, description, contract, dependencies = [], config = [], setup } = candidate;
  if (typeof id !== "string" || !ID.test(id)) {
    throw invalid(
      "a plugin",
      `its id is ${shown(id)}`,
      "lower case letters, digits and single hyphens, such as 'arm64-poe'",
    );
  }
  const where = `plugin '${id}'`;
  if (kind !== "arch" && kind !== "feature") throw invalid(where, `its kind is ${shown(kind)}`, "'arch' or 'feature'");
  if (typeof description !== "string" || description.trim() === "" || description.includes("\n")) {
    throw invalid(where, `its description is ${shown(description)}`, "one line of text");
  }
  if (typeof contract !== "number")
    throw invalid(
      where,
      `its contract is ${shown(contract)}`,
      `the number of the contracts that it was written against, now ${CONTRACT_VERSION}`,
    );
  if (contract !== CONTRACT_VERSION) {
    throw new KpkeysError("ERR_PLUGIN_CONTRACT", `it was written against version ${contract} of the contracts`, {
      where,
      expected: `version ${CONTRACT_VERSION}: install a release of it for this @kpkeys/core`,
    });
  }
  if (typeof setup !== "function") throw invalid(where, `its setup is ${shown(setup)}`, "a function");
  if (!Array.isArray(dependencies) || !dependencies.every(isRecord)) {
    throw invalid(where, "its dependencies are no list of plugins", "the plugins themselves, not their ids");
  }
  if (!Array.isArray(config) || !config.every(isConfigSymbol)) {
    throw invalid(
      where,
      "its config is no list of config symbols",
      "symbols in upper case without CONFIG_, with lists dependsOn and selects",
    );
  }
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
