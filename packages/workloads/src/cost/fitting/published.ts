import type { HardenedPolicy } from "../policy.js";

/** A row of the published table. */
export interface PublishedRow {
  /** The benchmark. */
  readonly benchmark: string;
  /** Slowdown in percent by policy. */
  readonly percent: Readonly<Record<HardenedPolicy, number>>;
}

/**
 * The overhead of `kpkeys_hardened_pgtables` from RFC v5, with the author's correction of 20 August 2025 (register switching and the
 * tagging of page-table pages), in the order printed, without kernbench's real and user time. Measured on Amazon EC2 M7g (Graviton3),
 * which has no POE: the patches wrote CONTEXTIDR_EL1 in place of POR_EL1 and kept the ISBs. The hardware checked no keys, so the numbers
 * are a lower bound.
 */
export const PUBLISHED: readonly PublishedRow[] = [
  { benchmark: "kernbench system", percent: { naive: 4.18, batched: 3.18 } },
  { benchmark: "fork h:0", percent: { naive: 221.39, batched: 3.35 } },
  { benchmark: "fork h:1", percent: { naive: 282.89, batched: 6.99 } },
  { benchmark: "munmap h:0", percent: { naive: 17.37, batched: -0.28 } },
  { benchmark: "munmap h:1", percent: { naive: 172.61, batched: 8.08 } },
  { benchmark: "fix_size p:1 h:0", percent: { naive: 15.54, batched: 12.57 } },
  { benchmark: "fix_size p:4 h:0", percent: { naive: 39.18, batched: 9.13 } },
  { benchmark: "fix_size p:16 h:0", percent: { naive: 65.81, batched: 2.97 } },
  { benchmark: "fix_size p:64 h:0", percent: { naive: 83.39, batched: -0.49 } },
  { benchmark: "fix_size p:256 h:0", percent: { naive: 87.85, batched: -2.04 } },
  { benchmark: "fix_size p:16 h:1", percent: { naive: 51.21, batched: 3.77 } },
  { benchmark: "fix_size p:64 h:1", percent: { naive: 60.02, batched: 0.99 } },
  { benchmark: "fix_size p:256 h:1", percent: { naive: 63.82, batched: 1.16 } },
  { benchmark: "random_size p:1 h:0", percent: { naive: 77.79, batched: -0.51 } },
  { benchmark: "vm_map_ram p:1 h:0", percent: { naive: 30.67, batched: 27.09 } },
];
