import type { Job } from "../src/job.js";
import { jobsOf } from "../src/options.js";
import type { CommonFlags } from "../src/options.js";
import { BUNDLED } from "../src/plugins/registry.js";

/** The job of a machine of 1 GiB with page-table hardening, next and batched unless changed. */
export function jobFor(arch: string, changes: Partial<CommonFlags> = {}): Job {
  const lists = {
    plugins: BUNDLED,
    arch: [arch],
    series: ["next"],
    policy: ["batched"],
    feature: ["pgtables"],
  } as const;
  return jobsOf({ ...lists, memory: 2 ** 30, cpus: 1, pkeys: true, ...changes })[0]!;
}
