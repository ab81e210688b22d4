import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { KpkeysError, outputFailure } from "@kpkeys/core";
import { KINDS } from "./kinds.js";
import type { Kind } from "./kinds.js";
import { declarable, formsOf, identifiersIn, nameProblem, rename } from "./names.js";
import { readmeOf } from "./readme.js";

/**
 * Creates a package: a copy of a worked example, renamed.
 *
 * @param folder - new or empty folder; its last part is the name: a lower case letter, then lower case letters, digits and single hyphens
 * @param kind - the kind of package
 * @param templates - the folder of the worked examples
 * @returns the created files, relative to the folder
 * @throws KpkeysError ERR_USAGE for an invalid name or a folder that is not empty; ERR_OUTPUT if a file cannot be written
 */
export function createPackage(folder: string, kind: Kind, templates: string): string[] {
  const home = resolve(folder);
  const name = basename(home);
  const problem = nameProblem(name);
  if (problem !== undefined) {
    throw new KpkeysError("ERR_USAGE", `cannot name a package ${JSON.stringify(name)}: ${problem}`, {
      advice: "use a name such as 'file-operations'",
    });
  }
  const template = join(templates, KINDS[kind]);
  const texts = filesBelow(template).map((path) => [path, readFileSync(join(template, path), "utf8")] as const);
  const from = formsOf(KINDS[kind])!;
  const others = new Set(texts.flatMap(([path, text]) => (path.endsWith(".ts") ? identifiersIn(text) : [])));
  for (const form of [from.camel, from.pascal]) others.delete(form);
  const to = declarable(formsOf(name)!, others);

  const isNew = prepare(home, folder);
  try {
    return texts.map(([path, text]) => {
      const file = rename(path, from, to);
      const renamed = rename(text, from, to);
      mkdirSync(dirname(join(home, file)), { recursive: true });
      writeFileSync(join(home, file), contentOf(path, renamed, to.kebab, kind));
      return file;
    });
  } catch (cause) {
    if (isNew) rmSync(home, { recursive: true, force: true });
    throw outputFailure(folder, cause, "a writable folder");
  }
}

/** Creates the folder unless it exists and is empty. @returns whether it was created */
function prepare(home: string, folder: string): boolean {
  try {
    if (mkdirSync(home, { recursive: true }) !== undefined) return true;
    if (readdirSync(home).length === 0) return false;
  } catch (cause) {
    throw outputFailure(folder, cause, "a new or empty folder");
  }
  throw new KpkeysError("ERR_USAGE", "cannot create a package: the folder is not empty", {
    where: folder,
    expected: "a new or empty folder",
  });
}

/** The content of a file of the package, made of the renamed text of the example's file. */
function contentOf(path: string, renamed: string, name: string, kind: Kind): string {
  if (path === "package.json") return manifestOf(renamed, name);
  return path === "README.md" ? readmeOf(name, kind) : renamed;
}

/** Turns the manifest of a private example into that of a package. */
function manifestOf(text: string, name: string): string {
  const manifest = JSON.parse(text) as Record<string, unknown>;
  delete manifest["private"];
  return `${JSON.stringify({ ...manifest, name, description: `The kpkeys package ${name}.` }, null, 2)}\n`;
}

/** Paths relative to a folder, without installed and built files. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((path) => !/(^|[\\/])(node_modules|dist)[\\/]|^package-lock\.json$/.test(path))
    .sort();
}
