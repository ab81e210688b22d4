/**
 * Recordings in files, read in the calling thread or in a reader thread, and the bundled recording. For Node.js only.
 *
 * @module @kpkeys/workloads/node
 */
export { readTraceAhead } from "./read-ahead.js";
export { readTrace } from "./read-trace.js";
export { replayFile, type ReplayFileOptions } from "./replay-file.js";
export { readSmallText } from "./small-text.js";
export { openTrace } from "./trace-file.js";
export { readVmpte } from "./vmpte-file.js";
export { embeddedTrace } from "../package-files.js";
