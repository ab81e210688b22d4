import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { KpkeysError } from "@kpkeys/core";

/** What a file of a package imports from outside of the package. */
export interface PackageImport {
  /** The file, relative to the package. */
  readonly file: string;
  /** The name of the module that it imports. */
  readonly specifier: string;
}

/** A package as it lies on the disk: its manifest, and what its files import. */
export interface PackageFiles {
  /** Its folder. */
  readonly directory: string;
  /** Its name. */
  readonly name: string;
  /** The packages that it needs to run: dependencies, peer and optional dependencies. */
  readonly dependencies: readonly string[];
  /** The module that it exports as `.`, an absolute path. */
  readonly entry: string;
  /** What the files import that its entries reach; Node's own modules left out. */
  readonly imports: readonly PackageImport[];
}

/** The fields of a manifest that are read here. */
interface Manifest {
  readonly name?: unknown;
  readonly exports?: unknown;
  readonly main?: unknown;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

/** Static imports, re-exports and `import()` of a literal. */
const IMPORTS = /(?:\bfrom|\bimport)\s*\(?\s*["']([^"'\n]+)["']/g;
const COMMENTS = /\/\*[^]*?\*\/|^\s*\/\/.*$/gm;

/**
 * Reads a package: its manifest, and the files that its entries reach by relative imports.
 *
 * @param directory - the folder that has its `package.json`
 * @returns what the rules about imports need
 * @throws KpkeysError ERR_INPUT_MISSING without a readable manifest; ERR_PLUGIN_INVALID for a manifest that names no module
 */
export function readPackage(directory: string): PackageFiles {
  const root = resolve(directory);
  const manifest = readManifest(root);
  const entries = targetsOf(manifest).map((target) => join(root, target));
  const entry = entries.find((path) => existsSync(path));
  if (entry === undefined) {
    throw new KpkeysError("ERR_PLUGIN_INVALID", "its package.json names no module that is there", {
      where: root,
      expected: '"exports" or "main" with a file of the package; is it built?',
    });
  }
  const lists = [manifest.dependencies, manifest.peerDependencies, manifest.optionalDependencies];
  return {
    directory: root,
    name: typeof manifest.name === "string" ? manifest.name : root,
    dependencies: [...new Set(lists.flatMap((list) => Object.keys(list ?? {})))],
    entry,
    imports: importsFrom(
      root,
      entries.filter((path) => existsSync(path)),
    ),
  };
}

function readManifest(root: string): Manifest {
  const path = join(root, "package.json");
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Manifest;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KpkeysError("ERR_INPUT_MISSING", why, { where: path, expected: "the manifest of a package", cause });
  }
}

/** The modules that a manifest exports, those of `.` first, whatever the condition. */
function targetsOf({ exports, main }: Manifest): string[] {
  const own = isRecord(exports) && "." in exports ? [exports["."], ...Object.values(exports)] : [exports];
  const modules = own
    .flatMap(leavesOf)
    .filter((target) => /\.[cm]?[jt]s$/.test(target) && !/\.d\.[cm]?ts$/.test(target));
  // What is published comes before what only the repository has.
  const inOrder = [...new Set(modules)].sort((a, b) => Number(a.endsWith("ts")) - Number(b.endsWith("ts")));
  return inOrder.length > 0 ? inOrder : [typeof main === "string" ? main : "index.js"];
}

function leavesOf(target: unknown): string[] {
  if (typeof target === "string") return [target];
  return isRecord(target) ? Object.values(target).flatMap(leavesOf) : [];
}

function importsFrom(root: string, entries: readonly string[]): PackageImport[] {
  const imports: PackageImport[] = [];
  const seen = new Set<string>();
  const visit = (path: string): void => {
    if (seen.has(path)) return;
    seen.add(path);
    const text = readFileSync(path, "utf8").replaceAll(COMMENTS, "");
    for (const [, specifier] of text.matchAll(IMPORTS)) {
      if (specifier!.startsWith("node:")) continue;
      if (!specifier!.startsWith(".")) imports.push({ file: path.slice(root.length + 1), specifier: specifier! });
      else {
        const file = [
          resolve(dirname(path), specifier!),
          resolve(dirname(path), specifier!.replace(/\.js$/, ".ts")),
        ].find(isFile);
        if (file !== undefined) visit(file);
      }
    }
  };
  entries.forEach(visit);
  return imports;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
