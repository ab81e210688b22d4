import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { KpkeysError } from "@kpkeys/core";
import type { Plugin } from "@kpkeys/core/contracts";

/**
 * Loads the features that a module exports.
 * @param path - a file of JavaScript
 * @returns its features, at least one
 * @throws KpkeysError ERR_INPUT_MISSING, ERR_INPUT_KIND for a file that is no module, ERR_PLUGIN_INVALID for one without a feature
 */
export async function loadFeatures(path: string): Promise<Plugin[]> {
  if (!existsSync(path)) {
    throw new KpkeysError("ERR_INPUT_MISSING", "there is no such file", { where: path, expected: "a module" });
  }
  const features = Object.values(await load(path)).filter(isFeature);
  if (features.length > 0) return features;
  throw new KpkeysError("ERR_PLUGIN_INVALID", "no export is a feature", {
    where: path,
    expected: "a module that exports a plugin of kind 'feature'",
  });
}

async function load(path: string): Promise<object> {
  try {
    return (await import(pathToFileURL(resolve(path)).href)) as object;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.split("\n", 1)[0]! : String(cause);
    throw new KpkeysError("ERR_INPUT_KIND", `it cannot be loaded: ${why}`, {
      where: path,
      expected: "a module",
      cause,
    });
  }
}

/** Whatever else a plugin lacks, the registry tells. */
function isFeature(value: unknown): value is Plugin {
  return typeof value === "object" && value !== null && "kind" in value && value.kind === "feature";
}
