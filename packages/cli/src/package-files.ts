import { fileURLToPath } from "node:url";

// Paths of files in this package. This file is one folder below the root of the package, in src and in dist.

const path = (relative: string): string => fileURLToPath(new URL(relative, import.meta.url));

/** The manifest of the package. */
export const MANIFEST: string = path("../package.json");
/** The tracer that records the page-table size of each process at its exit. */
export const ACCOUNT_SCRIPT: string = path("../data/account.pl");
/** The module of a worker thread. */
export const WORKER: string = path("./worker.js");
/** The hooks of Node's module loader. */
export const PLUGIN_HOOKS: string = path("./plugin-hooks.js");
/** The module of the process in which a plugin's code runs. */
export const PLUGIN_CHILD: string = path("./plugin-child.js");
