import { readFileSync } from "node:fs";
import { evaluate, parse } from "@humanwhocodes/momoa";
import type { DocumentNode, ValueNode } from "@humanwhocodes/momoa";
import { inputFailure } from "@kpkeys/core";
import { JSON_FORM, malformed, firstIssue } from "./config-form.js";

/**
 * Reads `kpkeys.config.json`.
 * @param path - the file
 * @returns the plugins that it names
 * @throws KpkeysError ERR_PLUGIN_CONFIG with the line, ERR_INPUT_MISSING, ERR_INPUT_KIND
 */
export function readJsonConfig(path: string): readonly string[] {
  const document = parsed(path, textOf(path));
  const { data, error } = JSON_FORM.safeParse(evaluate(document));
  if (data !== undefined) return data.plugins;
  const { keys, what } = firstIssue(error);
  throw malformed(`${path}:${lineOf(document.body, keys)}`, what);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw inputFailure(path, cause);
  }
}

function parsed(path: string, text: string): DocumentNode {
  try {
    return parse(text, { mode: "json" });
  } catch (cause) {
    // The parser repeats line and column at the end of its message.
    const { line, message } = cause as Error & { line: number };
    throw malformed(`${path}:${line}`, message.replace(/ \(\d+:\d+\)$/, ""), "valid JSON", cause);
  }
}

/** The line of the value that the keys lead to, or of the innermost value that exists. */
function lineOf(node: ValueNode, [key, ...rest]: readonly PropertyKey[]): number {
  const inner = key === undefined ? undefined : childOf(node, key);
  return inner === undefined ? node.loc.start.line : lineOf(inner, rest);
}

function childOf(node: ValueNode, key: PropertyKey): ValueNode | undefined {
  if (node.type === "Array") return node.elements[key as number]?.value;
  if (node.type !== "Object") return undefined;
  return node.members.find(({ name }) => (name.type === "String" ? name.value : name.name) === key)?.value;
}
