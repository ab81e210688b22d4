import { EXIT } from "../errors.js";
import { jobsOf } from "../options.js";
import type { CommonFlags } from "../options.js";
import { showTextOf } from "../report/show.js";
import type { ShowReport } from "../report/show.js";
import { demonstrate } from "../show/demonstration.js";
import type { Demonstration } from "../show/demonstration.js";
import { printReport } from "./print.js";

/** The flags of `kpkeys show`. */
export type ShowFlags = Pick<CommonFlags, "plugins" | "arch" | "series" | "json">;

/** The smallest machine. */
const MACHINE = { feature: ["pgtables"], memory: 64 * 2 ** 20, cpus: 1, pkeys: true } as const;

/**
 * `kpkeys show`: prints one guarded set_pte and one stray store, step by step, with and without the hardening.
 * @param flags - the command line's
 * @returns the exit status: 1 when a stray store is not denied with the hardening on
 */
export async function show(flags: ShowFlags): Promise<number> {
  const machines: Demonstration[] = [];
  for (const arch of flags.arch) {
    for (const series of flags.series) {
      for (const policy of ["naive", "off"] as const) {
        const [job] = jobsOf({ ...MACHINE, plugins: flags.plugins, arch: [arch], series: [series], policy: [policy] });
        machines.push(await demonstrate(job!));
      }
    }
  }
  const report: ShowReport = { machines };
  printReport(flags.json, report, (style) => showTextOf(report, style));
  return machines.some(({ hardened, stray }) => hardened && stray.fault === null) ? EXIT.FAILED : EXIT.GOOD;
}
