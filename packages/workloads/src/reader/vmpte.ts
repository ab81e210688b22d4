import { KpkeysError, quote } from "@kpkeys/core";

/** What Linux said of a process at its exit: fields of its `/proc/PID/status` and `/proc/PID/stat`. */
export interface VmpteRecord {
  /** The process. */
  readonly pid: number;
  /** Its parent. */
  readonly ppid: number;
  /** Its comm. */
  readonly name: string;
  /** VmPTE: its page tables below the top level, in kB. */
  readonly vmpteKb: number;
  /** VmRSS: its resident memory, in kB. */
  readonly vmrssKb: number;
  /** Faults that needed no input or output. */
  readonly minorFaults: number;
}

/** What a VmPTE file is. */
export const VMPTE_TEXT = "`pid ppid name VmPTE VmRSS minor-faults`, sizes in kB";

/**
 * Reads the text of a VmPTE file: the account of the kernel that ran a workload while it was recorded.
 *
 * @param text - it
 * @param where - where it comes from, for messages
 * @returns a record for each line, in their order
 * @throws KpkeysError ERR_VMPTE_LINE
 */
export function parseVmpte(text: string, where: string): VmpteRecord[] {
  const records: VmpteRecord[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (line.trim() === "") continue;
    const record = parseLine(line);
    if (record === undefined) {
      throw new KpkeysError("ERR_VMPTE_LINE", `not the account of a process: ${quote(line)}`, {
        where: `${where}:${index + 1}`,
        expected: VMPTE_TEXT,
      });
    }
    records.push(record);
  }
  if (records.length === 0) throw new KpkeysError("ERR_VMPTE_LINE", "no line", { where, expected: VMPTE_TEXT });
  return records;
}

/** @returns the record of a line, or undefined when it is damaged; the name is whatever stands between the numbers */
function parseLine(line: string): VmpteRecord | undefined {
  const fields = line.trim().split(/\s+/);
  const numbers = [...fields.slice(0, 2), ...fields.slice(-3)];
  if (fields.length < 6 || !numbers.every((field) => /^\d{1,15}$/.test(field))) return undefined;
  const [pid, ppid, vmpteKb, vmrssKb, minorFaults] = numbers.map(Number) as [number, number, number, number, number];
  return { pid, ppid, name: fields.slice(2, -3).join(" "), vmpteKb, vmrssKb, minorFaults };
}
