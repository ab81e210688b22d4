import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { KpkeysError } from "@kpkeys/core";
import { formsOf, rename } from "./names.js";

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
 * @throws KpkeysError ERR_USAGE for an impossible name, or a folder that has something in it
 */
export function createPackage(folder: string, kind: Kind, templates: string): string[] {
  const home = resolve(folder);
  const to = formsOf(basename(home));
  if (to === undefined) {
    throw new KpkeysError("ERR_USAGE", `'${basename(home)}' cannot be a package's name`, {
      expected: "lower case letters, digits and single hyphens, such as 'file-operations'",
    });
  }
  if (existsSync(home) && readdirSync(home).length > 0) {
    throw new KpkeysError("ERR_USAGE", `${folder} is not empty`, { expected: "a folder that is new or empty" });
  }
  const template = join(templates, KINDS[kind]);
  const from = formsOf(KINDS[kind])!;
  return filesBelow(template).map((path) => {
    const file = rename(path, from, to);
    mkdirSync(dirname(join(home, file)), { recursive: true });
    const text = rename(readFileSync(join(template, path), "utf8"), from, to);
    writeFileSync(join(home, file), path === "package.json" ? manifestOf(text, to.kebab) : text);
    return file;
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
