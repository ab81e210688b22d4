import { readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { inputFailure, KpkeysError } from "@kpkeys/core";
import type { PackageFiles, PackageImport } from "../conformance/package-files.js";

/** The fields of a manifest that are read here. */
interface Manifest {
  readonly name?: unknown;
  readonly exports?: unknown;
  readonly main?: unknown;
  readonly dependencies?: unknown;
  readonly peerDependencies?: unknown;
  readonly optionalDependencies?: unknown;
}

/** Static imports, re-exports and `import()` of a literal. */
const IMPORTS = /(?:\bfrom|\bimport)\s*(?:\(\s*)?["']([^"'\n]+)["']/g;
/** Where a comment begins; one from `//` on only if it has a line to itself. */
const COMMENT = /\/\*|^[^\S\n]*\/\/.*$/gm;
/** More than any manifest or module has. */
const MOST_BYTES = 16 * 2 ** 20;

/**
 * Reads a package: its manifest, and the files that its entries reach by relative imports.
 *
 * @param directory - the folder that has its `package.json`
 * @returns what the rules about imports need
 * @throws KpkeysError ERR_INPUT_MISSING without a readable manifest; ERR_PLUGIN_INVALID for a manifest that is no JSON object or
 * names no module, and for a file of the package that is no regular file or larger than 16 MiB
 */
export function readPackage(directory: string): PackageFiles {
  const root = resolve(directory);
  const manifest = readManifest(root);
  const entries = entriesOf(root, manifest);
  const lists = [manifest.dependencies, manifest.peerDependencies, manifest.optionalDependencies];
  return {
    directory: root,
    name: typeof manifest.name === "string" ? manifest.name : root,
    dependencies: [...new Set(lists.flatMap((list) => (isRecord(list) ? Object.keys(list) : [])))],
    entry: entries[0],
    imports: importsFrom(root, entries),
    load: (name) => loadFrom(root, name),
  };
}

/**
 * Holds a module without a package, and the files that it reaches by relative imports, to the same bounds.
 *
 * @param path - the module
 * @throws KpkeysError ERR_PLUGIN_INVALID for what is no regular file or larger than 16 MiB
 */
export function checkModuleFiles(path: string): void {
  importsFrom(dirname(path), [path]);
}

/** Loads a package that lies in a `node_modules` of this folder or above, as Node looks for it. */
async function loadFrom(directory: string, name: string): Promise<Readonly<Record<string, unknown>>> {
  const root = join(directory, "node_modules", name);
  if (kindOf(join(root, "package.json")) !== "none") {
    const [entry] = entriesOf(root, readManifest(root));
    return (await import(/* @vite-ignore */ pathToFileURL(entry).href)) as Readonly<Record<string, unknown>>;
  }
  const above = dirname(directory);
  if (above === directory) throw invalid(name, "it is in no node_modules", "a package that is installed");
  return loadFrom(above, name);
}

/** The modules of a package that are there, that of `.` first. */
function entriesOf(root: string, manifest: Manifest): [string, ...string[]] {
  const [entry, ...others] = targetsOf(manifest)
    .map((target) => join(root, target))
    .filter((path) => kindOf(path) !== "none");
  if (entry !== undefined) return [entry, ...others];
  throw invalid(
    root,
    "its package.json names no module that is there",
    '"exports" or "main" with a file of the package; is it built?',
  );
}

function readManifest(root: string): Manifest {
  const path = join(root, "package.json");
  const manifest = parse(path, readSource(path));
  if (isRecord(manifest)) return manifest;
  throw invalid(path, "it is no JSON object", "the manifest of a package");
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(path, `it is not JSON (${cause instanceof Error ? cause.message : String(cause)})`, "a manifest");
  }
}

/** The modules that a manifest exports, those of `.` first, whatever the condition. */
function targetsOf({ exports, main }: Manifest): string[] {
  const own = isRecord(exports) && "." in exports ? [exports["."], ...Object.values(exports)] : [exports];
  const modules = leavesOf(own).filter((target) => /\.[cm]?[jt]s$/.test(target) && !/\.d\.[cm]?ts$/.test(target));
  // What is published comes before what only the repository has.
  const inOrder = [...new Set(modules)].sort((a, b) => Number(a.endsWith("ts")) - Number(b.endsWith("ts")));
  if (inOrder.length > 0) return inOrder;
  // As Node looks for a package's main module.
  const named = typeof main === "string" ? [main, `${main}.js`, `${main}/index.js`] : [];
  return [...named, "index.js"];
}

/** The strings in a tree, in order; without recursion, for the tree may have any depth. */
function leavesOf(tree: unknown): string[] {
  const leaves: string[] = [];
  const open = [tree];
  while (open.length > 0) {
    const node = open.pop();
    if (typeof node === "string") leaves.push(node);
    else if (typeof node === "object" && node !== null)
      for (const child of Object.values(node).reverse()) open.push(child);
  }
  return leaves;
}

/** What files import from elsewhere that relative imports lead to; without recursion, for the chain may have any length. */
function importsFrom(root: string, entries: readonly string[]): PackageImport[] {
  const imports: PackageImport[] = [];
  const seen = new Set(entries);
  for (const path of seen) {
    for (const [, specifier] of withoutComments(readSource(path)).matchAll(IMPORTS)) {
      if (specifier!.startsWith("node:")) continue;
      if (!specifier!.startsWith(".")) imports.push({ file: path.slice(root.length + 1), specifier: specifier! });
      else {
        const place = resolve(dirname(path), specifier!);
        const file = [place, place.replace(/\.js$/, ".ts")].find((each) => kindOf(each) !== "none");
        if (file !== undefined) seen.add(file);
      }
    }
  }
  return imports;
}

/** A source without its comments, in one pass. */
function withoutComments(text: string): string {
  const kept: string[] = [];
  let at = 0;
  COMMENT.lastIndex = 0;
  for (let found = COMMENT.exec(text); found !== null; found = COMMENT.exec(text)) {
    const end = found[0] === "/*" ? text.indexOf("*/", found.index + 2) + 2 : COMMENT.lastIndex;
    // A comment without an end: what follows is no program.
    if (end === 1) break;
    kept.push(text.slice(at, found.index));
    COMMENT.lastIndex = at = end;
  }
  kept.push(text.slice(at));
  return kept.join("");
}

/** @throws KpkeysError ERR_PLUGIN_INVALID, ERR_INPUT_MISSING */
function readSource(path: string): string {
  const kind = kindOf(path);
  if (kind === "device") throw invalid(path, "it is a device or a pipe", "a file");
  if (kind === "large") throw invalid(path, `it is larger than ${MOST_BYTES / 2 ** 20} MiB`, "a file");
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw inputFailure(path, cause);
  }
}

/** What is at a path: `none` for a folder too, and for what cannot be reached. */
function kindOf(path: string): "none" | "file" | "large" | "device" {
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) return "none";
    if (!stats.isFile()) return "device";
    return stats.size > MOST_BYTES ? "large" : "file";
  } catch {
    return "none";
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(where: string, what: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_PLUGIN_INVALID", what, { where, expected });
}
