import { hexDigits } from "@kpkeys/core";
import type { MachineFindings } from "./findings.js";

/**
 * The digest of a run on one architecture. It is equal for equal traces and machines. It does not depend on time, on the order of the jobs,
 * on the number of processors or on a VmPTE file.
 *
 * @param machines - the machine of each policy, the weakest first; counters and page tables are digested
 * @param checks - coverage, KUnit and probe stores, as reported
 * @returns SHA-256, 64 hexadecimal digits
 */
export async function digestOf(machines: readonly MachineFindings[], checks: object): Promise<string> {
  const digested = machines.map(({ policy, tables, replay }) => [policy, tables, replay.counters]);
  const text = JSON.stringify({ machines: digested, checks });
  // Web Crypto works in Node.js and in a browser.
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
  return Array.from(bytes, (byte) => hexDigits(byte, 2)).join("");
}
