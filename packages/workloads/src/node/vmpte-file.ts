import { parseVmpte, VMPTE_TEXT } from "../reader/vmpte.js";
import type { VmpteRecord } from "../reader/vmpte.js";
import { readSmallText } from "./small-text.js";

/**
 * Reads a VmPTE file: the account of the kernel that ran a workload while it was recorded.
 *
 * @param path - the file, plain or gzip
 * @returns a record for each line, in the file's order
 * @throws KpkeysError ERR_VMPTE_LINE, and what {@link readSmallText} throws
 */
export function readVmpte(path: string): VmpteRecord[] {
  return parseVmpte(readSmallText(path, VMPTE_TEXT), path);
}
