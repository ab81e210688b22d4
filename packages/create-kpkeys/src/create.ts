import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { KpkeysError, outputFailure } from "@kpkeys/core";
import { declarable, formsOf, identifiersIn, refusalOf, rename } from "./names.js";

/** The kinds of packages, each with the worked example that it is made of. */
export const KINDS = {
  /** Protects some data of the kernel, on every architecture. */
  feature: "selinux-state",
  /** Registers, page-table format and rules of access of a CPU. */
  arch: "odd-arch",
} as const;

/** A kind of package. */
export type Kind = keyof typeof KINDS;

/**
 * Makes a package: a worked example under a name of its own.
 *
 * @param folder - where to make it; its last part is the name: lower case letters, digits and single hyphens
 * @param kind - what it is to be
 * @param templates - the folder of the worked examples
 * @returns the files that were written, relative to the folder
 * @throws KpkeysError ERR_USAGE for an impossible name, or a folder that has something in it; ERR_OUTPUT where it cannot be written
 */
export function createPackage(folder: string, kind: Kind, templates: string): string[] {
  const home = resolve(folder);
  const name = basename(home);
  const refusal = refusalOf(name);
  if (refusal !== undefined) {
    throw new KpkeysError("ERR_USAGE", `${JSON.stringify(name)} cannot be a package's name: ${refusal}`, {
      expected: "a name such as 'file-operations'",
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
      writeFileSync(join(home, file), path === "package.json" ? manifestOf(renamed, to.kebab) : renamed);
      return file;
    });
  } catch (cause) {
    if (isNew) rmSync(home, { recursive: true, force: true });
    throw outputFailure(folder, cause, "a place where files can be written");
  }
}

/** Makes the folder, unless it is there and empty. @returns whether it was made */
function prepare(home: string, folder: string): boolean {
  try {
    if (mkdirSync(home, { recursive: true }) !== undefined) return true;
    if (readdirSync(home).length === 0) return false;
  } catch (cause) {
    throw outputFailure(folder, cause, "a folder that is new or empty");
  }
  throw new KpkeysError("ERR_USAGE", "the folder is not empty", {
    where: folder,
    expected: "a folder that is new or empty",
  });
}

/** An example is private, and named as one. */
function manifestOf(text: string, name: string): string {
  const manifest = JSON.parse(text) as Record<string, unknown>;
  delete manifest["private"];
  return `${JSON.stringify({ ...manifest, name, description: `The kpkeys package ${name}.` }, null, 2)}\n`;
}

/** Paths relative to a folder, without what was installed and built in it. */
function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .filter((path) => !/(^|[\\/])(node_modules|dist)[\\/]|^package-lock\.json$/.test(path))
    .sort();
}
