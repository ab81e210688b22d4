import { fileURLToPath } from "node:url";

// Files of this package. Their paths are relative to this file, which is one folder below the package's root in src and in dist.

/** The module of the reader thread. */
export const READER_THREAD: URL = new URL("./reader-thread.js", import.meta.url);

/** The paths of the bundled recording: gcc compiles a file with one function. */
export const embeddedTrace: {
  /** The text of `perf script`, gzip. */
  readonly trace: string;
  /** VmPTE of the same processes at their exit, recorded on Linux; `readVmpte` reads it. */
  readonly vmpte: string;
} = {
  trace: fileURLToPath(new URL("../traces/gcc-hello.perf-script.txt.gz", import.meta.url)),
  vmpte: fileURLToPath(new URL("../traces/gcc-hello.vmpte.txt", import.meta.url)),
};
