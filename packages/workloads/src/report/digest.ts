import { hexDigits } from "@kpkeys/core";
import type { MachineFindings } from "./findings.js";

/**
 * A digest over what a run found out of one architecture, time left out: equal for equal traces and machines, in whatever order
 * and on however many processors the jobs ran, with or without a VmPTE file.
 *
 * @param machines - of each policy, weakest first: counters and page tables
 * @param checks - coverage, KUnit and attacks, as reported
 * @returns SHA-256, 64 hexadecimal digits
 */
export async function digestOf(machines: readonly MachineFindings[], checks: object): Promise<string> {
  const digested = machines.map(({ policy, tables, replay }) => [policy, tables, replay.counters]);
  const text = JSON.stringify({ machines: digested, checks });
  // The Web Crypto API: the same in Node.js and in a browser.
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(bytes, (byte) => hexDigits(byte, 2)).join("");
}
