import { KpkeysError, quote } from "@kpkeys/core";

/** A process at its exit on Linux, from `/proc/PID/status` and `/proc/PID/stat`. */
export interface VmpteRecord {
  /** The process. */
  readonly pid: number;
  /** Its parent. */
  readonly ppid: number;
  /** Its comm. */
  readonly name: string;
  /** VmPTE: page tables below the top level, in kB. */
  readonly vmpteKb: number;
  /** VmRSS: resident memory, in kB. */
  readonly vmrssKb: number;
  /** Minor faults: those without I/O. */
  readonly minorFaults: number;
}

/** Description of a VmPTE file, for errors. */
export const VMPTE_TEXT = "`pid ppid name VmPTE VmRSS minor-faults`, sizes in kB";

/**
 * Reads the text of a VmPTE file: VmPTE of each process at its exit, recorded on Linux with the workload.
 *
 * @param text - the text
 * @param where - its origin, for errors
 * @returns a record for each line, in the order of the lines
 * @throws KpkeysError ERR_VMPTE_LINE for a damaged line, and for a text without a line
 */
export function parseVmpte(text: string, where: string): VmpteRecord[] {
  const records: VmpteRecord[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const record = parseLine(line);
    if (record === undefined) {
      throw new KpkeysError("ERR_VMPTE_LINE", `cannot read the line: ${quote(line)}`, {
        where: `${where}:${index + 1}`,
        expected: VMPTE_TEXT,
      });
    }
    records.push(record);
  }
  if (records.length === 0) throw new KpkeysError("ERR_VMPTE_LINE", "no line", { where, expected: VMPTE_TEXT });
  return records;
}

/** @returns the record of a line, or undefined if it is damaged. The name may contain spaces. */
function parseLine(line: string): VmpteRecord | undefined {
  const fields = line.trim().split(/\s+/);
  const numbers = [...fields.slice(0, 2), ...fields.slice(-3)];
  if (fields.length < 6 || !numbers.every((field) => /^\d{1,15}$/.test(field))) return undefined;
  const [pid, ppid, vmpteKb, vmrssKb, minorFaults] = numbers.map(Number) as [number, number, number, number, number];
  return { pid, ppid, name: fields.slice(2, -3).join(" "), vmpteKb, vmrssKb, minorFaults };
}
