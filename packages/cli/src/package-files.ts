import { fileURLToPath } from "node:url";

// Files of this package. Their paths are relative to this file, which is one folder below the package's root in src and in dist.

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** The package's manifest, for its version. */
export const MANIFEST: string = path("../package.json");
/** The tracer that records the page-table size of each process at its exit. */
export const ACCOUNT_SCRIPT: string = path("../data/account.pl");
/** The module of a worker thread. */
export const WORKER: string = path("./worker.js");
/** The hooks of Node's module loader. */
export const PLUGIN_HOOKS: string = path("./plugin-hooks.js");
/** The module of the process in which a plugin's code runs. */
export const PLUGIN_CHILD: string = path("./plugin-child.js");
