import { createHash } from "node:crypto";
import type { JobResult } from "../job.js";

/**
 * A digest over what a run found out of one architecture, time left out: equal for equal traces and machines, in whatever order
 * and on however many processors the jobs ran, with or without a VmPTE file.
 *
 * @param results - of each policy: counters and page tables
 * @param checks - coverage, KUnit and attacks, as reported
 * @returns SHA-256, 64 hexadecimal digits
 */
export function digestOf(results: readonly JobResult[], checks: object): string {
  const machines = results.map(({ job, tables, replay }) => [job.policy, tables, replay?.counters]);
  return createHash("sha256").update(JSON.stringify({ machines, checks })).digest("hex");
}
