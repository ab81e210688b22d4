import { readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { inputFailure, KpkeysError } from "@kpkeys/core";
import type { PackageFiles, PackageImport } from "../conformance/package-files.js";

/** The fields of a manifest that the rules use. */
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
/** A string, in which there is no comment; the start of a block comment; or a `//` comment on a line without code. */
const COMMENT = /"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\*|^[^\S\n]*\/\/.*$/gm;
/** Largest manifest or module. */
const MOST_BYTES = 16 * 2 ** 20;

/**
 * Reads the manifest of a package, and the files that its entries reach by relative imports.
 *
 * @param directory - the folder of its `package.json`
 * @throws KpkeysError ERR_INPUT_MISSING if the manifest cannot be read; ERR_PLUGIN_INVALID if it is not a JSON object or names no
 *   module, or if a file is not a regular file or larger than 16 MiB
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
 * Checks the files of a module without a package: the module, and the files that it reaches by relative imports.
 *
 * @param path - the module
 * @throws KpkeysError ERR_PLUGIN_INVALID if a file is not a regular file or larger than 16 MiB
 */
export function checkModuleFiles(path: string): void {
  importsFrom(dirname(path), [path]);
}

/** Loads a package from a `node_modules` of this folder or of one above, as Node.js does. */
async function loadFrom(directory: string, name: string): Promise<Readonly<Record<string, unknown>>> {
  const root = join(directory, "node_modules", name);
  if (kindOf(join(root, "package.json")) !== "none") {
    const [entry] = entriesOf(root, readManifest(root));
    return (await import(/* @vite-ignore */ pathToFileURL(entry).href)) as Readonly<Record<string, unknown>>;
  }
  const above = dirname(directory);
  if (above === directory) throw invalid(name, "the package is not installed", "a package in a node_modules folder");
  return loadFrom(above, name);
}

/** The existing modules of a package, that of `.` first. */
function entriesOf(root: string, manifest: Manifest): [string, ...string[]] {
  const [entry, ...others] = targetsOf(manifest)
    .map((target) => join(root, target))
    .filter((path) => kindOf(path) !== "none");
  if (entry !== undefined) return [entry, ...others];
  throw invalid(
    root,
    "package.json names no existing module",
    '"exports" or "main" with a file of the package; build it first',
  );
}

function readManifest(root: string): Manifest {
  const path = join(root, "package.json");
  const manifest = parse(path, readSource(path));
  if (isRecord(manifest)) return manifest;
  throw invalid(path, "the manifest is not a JSON object", "an object");
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(path, `the manifest is not JSON (${cause instanceof Error ? cause.message : String(cause)})`, "JSON");
  }
}

/** The modules that a manifest exports under any condition, those of `.` first. */
function targetsOf({ exports, main }: Manifest): string[] {
  const own = isRecord(exports) && "." in exports ? [exports["."], ...Object.values(exports)] : [exports];
  const modules = leavesOf(own).filter((target) => /\.[cm]?[jt]s$/.test(target) && !/\.d\.[cm]?ts$/.test(target));
  // Built modules first: sources may be present only in a repository.
  const inOrder = [...new Set(modules)].sort((a, b) => Number(a.endsWith("ts")) - Number(b.endsWith("ts")));
  if (inOrder.length > 0) return inOrder;
  // The order in which Node.js searches the main module.
  const named = typeof main === "string" ? [main, `${main}.js`, `${main}/index.js`] : [];
  return [...named, "index.js"];
}

/** The strings in a tree, in order. It does not recurse, because the tree may have any depth. */
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

/** The imports of other packages in all files that relative imports reach. It does not recurse, because a chain may have any length. */
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

/** Removes the comments from a source, in one pass. */
function withoutComments(text: string): string {
  const kept: string[] = [];
  let at = 0;
  COMMENT.lastIndex = 0;
  for (let found = COMMENT.exec(text); found !== null; found = COMMENT.exec(text)) {
    if (/^["']/.test(found[0])) continue;
    const end = found[0] === "/*" ? text.indexOf("*/", found.index + 2) + 2 : COMMENT.lastIndex;
    // Without an end it is not a comment but part of a string: the rest is kept.
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
  if (kind === "device") throw invalid(path, "it is a device or a pipe", "a regular file");
  if (kind === "large") throw invalid(path, `it is larger than ${MOST_BYTES / 2 ** 20} MiB`, "a smaller file");
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw inputFailure(path, cause);
  }
}

/** The kind of file at a path: `none` also for a folder and for a path that cannot be reached. */
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
