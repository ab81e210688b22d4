import { readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { MANIFEST } from "./package-files.js";
import { stripTypes } from "./plugins/strip-types.js";

// Hooks of Node's module loader for the code of plugins. Node runs them in the importing thread (registerHooks), where `next` returns a
// value. Older versions run them in a separate thread (register), where it returns a promise.

/** The context that Node passes to a hook. */
interface HookContext {
  readonly parentURL?: string | undefined;
}

/** The next hook; the last one is Node's. */
type NextHook = (subject: string, context: HookContext) => unknown;

const HOME = pathToFileURL(MANIFEST).href;
const { name: OWN_NAME, dependencies } = JSON.parse(readFileSync(MANIFEST, "utf8")) as {
  name: string;
  dependencies: Readonly<Record<string, string>>;
};

/** Packages of which a process may have one copy only: this package, and the packages of the project that it depends on. */
const SHARED: ReadonlySet<string> = new Set([
  OWN_NAME,
  ...Object.keys(dependencies).filter((name) => name.startsWith("@kpkeys/")),
]);

/** Resolves the packages of the project from this package, for every importer. */
export function resolve(specifier: string, context: HookContext, next: NextHook): unknown {
  const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0];
  return next(specifier, name !== undefined && SHARED.has(name) ? { ...context, parentURL: HOME } : context);
}

/** Loads TypeScript in versions of Node that cannot. */
export function load(url: string, context: HookContext, next: NextHook): unknown {
  const { typescript } = process.features as { typescript?: string | false };
  if (!/^file:.*\.m?ts$/.test(url) || (typescript ?? false) !== false) return next(url, context);
  const source = stripTypes(readFileSync(fileURLToPath(url), "utf8"));
  return { format: "module", source, shortCircuit: true };
}
