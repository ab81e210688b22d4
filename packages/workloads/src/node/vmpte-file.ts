import { parseVmpte, VMPTE_TEXT } from "../reader/vmpte.js";
import type { VmpteRecord } from "../reader/vmpte.js";
import { readSmallText } from "./small-text.js";

/**
 * Reads a VmPTE file: VmPTE of each process at its exit, recorded on Linux with the workload.
 *
 * @param path - the file, plain or gzip
 * @returns a record for each line, in the file's order
 * @throws KpkeysError ERR_VMPTE_LINE, and the errors of {@link readSmallText}
 */
export function readVmpte(path: string): VmpteRecord[] {
  return parseVmpte(readSmallText(path, VMPTE_TEXT), path);
}
