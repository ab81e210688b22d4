import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { pathToFileURL } from "node:url";
import { KpkeysError } from "@kpkeys/core";
import { reasonOf } from "../check-plugin/reason.js";
import { malformed, MODULE_FORM, firstIssue } from "./config-form.js";
import { readJsonConfig } from "./config-json.js";
import type { Exports } from "./load.js";
import { findPlugin } from "./source.js";
import type { PluginSource } from "./source.js";
import { SourceError, stripTypes } from "./strip-types.js";

/**
 * Reads a configuration file. Unless it is JSON, its code is run: in this thread, and in each worker that uses a plugin object of it.
 * @param path - the file
 * @returns the modules of the plugins
 * @throws KpkeysError ERR_PLUGIN_CONFIG, ERR_PLUGIN_CONFIG_THROWS, and the errors of {@link findPlugin}
 */
export async function readPluginConfig(path: string): Promise<PluginSource[]> {
  const plugins = path.endsWith(".json") ? readJsonConfig(path) : await readModule(path);
  const own = { where: path, module: pathToFileURL(path).href };
  return plugins.map((plugin) => (typeof plugin === "string" ? findPlugin(plugin, dirname(path)) : own));
}

async function readModule(path: string): Promise<readonly (string | object)[]> {
  const exports = await run(path);
  if (!("default" in exports))
    throw malformed(path, "the file has no default export", "export default defineConfig({ plugins: [...] })");
  const { data, error } = MODULE_FORM.safeParse(exports["default"]);
  if (data === undefined) throw malformed(path, firstIssue(error).what);
  return data.plugins;
}

async function run(path: string): Promise<Exports> {
  try {
    return (await import(pathToFileURL(path).href)) as Exports;
  } catch (cause) {
    if (cause instanceof SyntaxError) throw syntaxError(path, cause);
    const expected = "a file that exports a configuration by default";
    throw new KpkeysError("ERR_PLUGIN_CONFIG_THROWS", `its code throws: ${reasonOf(cause)}`, {
      where: placeIn(path, cause),
      expected,
      cause,
    });
  }
}

const VALID_MODULE = "an ES module without syntax errors";

/** Node's error has no line, and may be about a module that the file imports. */
function syntaxError(path: string, cause: SyntaxError): KpkeysError {
  try {
    stripTypes(readFileSync(path, "utf8"));
  } catch (error) {
    if (error instanceof SourceError) return malformed(`${path}:${error.line}`, error.message, VALID_MODULE, cause);
  }
  return malformed(path, cause.message, VALID_MODULE, cause);
}

/** The file, with the line of the error if its stack has one. */
function placeIn(path: string, error: unknown): string {
  const stack = error instanceof Error ? (error.stack ?? "") : "";
  const after = stack.split(path)[1] ?? "";
  const line = /^:(\d+)/.exec(after)?.[1];
  return line === undefined ? path : `${path}:${line}`;
}
