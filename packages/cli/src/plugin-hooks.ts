import { readFileSync } from "node:fs";
import { fileURLToPath, pathToFileURL } from "node:url";
import { MANIFEST } from "./package-files.js";
import { stripTypes } from "./plugins/strip-types.js";

// Hooks of Node's module loader, with which the code of plugins is loaded. Node takes them in the thread that imports
// (registerHooks) or, where it cannot, in one of its own (register): what `next` returns is a value there and a promise here.

/** What Node passes to a hook besides a name or URL. */
interface HookContext {
  readonly parentURL?: string | undefined;
}

/** The next hook, Node's own at the end. */
type NextHook = (subject: string, context: HookContext) => unknown;

const HOME = pathToFileURL(MANIFEST).href;
const { name: OWN_NAME, dependencies } = JSON.parse(readFileSync(MANIFEST, "utf8")) as {
  name: string;
  dependencies: Readonly<Record<string, string>>;
};

/** The packages of which a process may have one copy only: this one, and those of the project that it depends on. */
const SHARED: ReadonlySet<string> = new Set([
  OWN_NAME,
  ...Object.keys(dependencies).filter((name) => name.startsWith("@kpkeys/")),
]);

/** Finds the packages of the project, and their entries, where the command has them, whoever imports them. */
export function resolve(specifier: string, context: HookContext, next: NextHook): unknown {
  const name = /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0];
  return next(specifier, name !== undefined && SHARED.has(name) ? { ...context, parentURL: HOME } : context);
}

/** Loads TypeScript where Node itself cannot. */
export function load(url: string, context: HookContext, next: NextHook): unknown {
  const { typescript } = process.features as { typescript?: string | false };
  if (!/^file:.*\.m?ts$/.test(url) || (typescript ?? false) !== false) return next(url, context);
  const source = stripTypes(readFileSync(fileURLToPath(url), "utf8"));
  return { format: "module", source, shortCircuit: true };
}
