/**
 * Files of vectors and kernel logs, plain or gzip, and standard input. Only for Node; opening a file is that of `@kpkeys/workloads`.
 *
 * @module @kpkeys/explain/node
 */
export { readLog } from "./log.js";
export type { LogReport } from "./log.js";
export { readVectors } from "./vector-file.js";
