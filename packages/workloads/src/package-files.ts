import { fileURLToPath } from "node:url";

// Files of this package. Their paths are relative to this file, which is one folder below the package's root in src and in dist.

/** The module of the thread that reads recordings ahead. */
export const READER_THREAD: URL = new URL("./reader-thread.js", import.meta.url);

/** The recording that comes with the package: gcc compiles a file of one function. Paths of its two files. */
export const embeddedTrace: {
  /** `perf script` of the recording, gzip. */
  readonly trace: string;
  /** What Linux itself said of the same processes, for `readVmpte`. */
  readonly vmpte: string;
} = {
  trace: fileURLToPath(new URL("../traces/gcc-hello.perf-script.txt.gz", import.meta.url)),
  vmpte: fileURLToPath(new URL("../traces/gcc-hello.vmpte.txt", import.meta.url)),
};
