import type { LinearMapStats } from "@kpkeys/core/contracts";
import type { Coverage, MachineSpec } from "@kpkeys/kernel";
import type { AttackResult, SuiteResult } from "@kpkeys/kunit-suite";
import type { CheckMode, Exposure, MicroResult, OpenedBy, ReplayResult } from "@kpkeys/workloads";
import { loadPlugins } from "./plugins.js";
import type { ArchId, FeatureId } from "./plugins.js";
import type { Policy, SeriesName } from "./series.js";

/** What can be looked at in a machine once it has booted and replayed. */
export type Check = "coverage" | "attack" | "kunit";

/** What a worker does, as plain data: makes one machine, replays a trace on it, checks it. */
export interface Job {
  /** The version of the series that the machine's options come from. */
  readonly series: SeriesName;
  /** The policy that they come from. */
  readonly policy: Policy;
  /** The machine. */
  readonly spec: MachineSpec & { readonly arch: ArchId; readonly features: readonly FeatureId[] };
  /** The file to replay; none if left out. */
  readonly trace?: string;
  /** The VmPTE file to hold the replay against. */
  readonly vmpte?: string;
  /** How often the page tables are looked at during the replay. */
  readonly check?: CheckMode;
  /** What makes table pages writable on this machine, if it is to be watched during the replay. */
  readonly openedBy?: OpenedBy;
  /** Whether the micro-benchmarks are run after that. */
  readonly micro?: boolean;
  /** What is checked after that. */
  readonly checks: readonly Check[];
}

/** What a job found out, as plain data. What was not asked for is `null`. */
export interface JobResult {
  /** What was done. */
  readonly job: Job;
  /** The replay. */
  readonly replay: ReplayResult | null;
  /** How long table pages were writable during the replay. */
  readonly exposure: Exposure | null;
  /** The micro-benchmarks. */
  readonly micro: readonly MicroResult[] | null;
  /** Digest of all page tables after the replay, 16 hexadecimal digits. */
  readonly tables: string;
  /** Which table pages are protected, at the fullest moment of the replay or after it. */
  readonly coverage: Coverage | null;
  /** Of what the linear map consists after the replay; looked at with the coverage. */
  readonly linearMap: LinearMapStats | null;
  /** What attacks on them came to, at that moment. */
  readonly attack: AttackResult | null;
  /** The KUnit suites, run last. */
  readonly kunit: readonly SuiteResult[] | null;
}

/** What is protected at a moment. */
interface Protection {
  readonly coverage: Coverage;
  readonly attack: AttackResult | null;
}

/**
 * Does a job in this thread.
 * @param job - what to do
 * @param onProgress - called with bytes of the trace read so far and its size in bytes
 * @throws KpkeysError whatever building, replaying and checking throw
 */
export async function runJob(
  job: Job,
  onProgress: (read: number, size: number) => void = () => undefined,
): Promise<JobResult> {
  const { spec, trace, vmpte, check = "off", checks, openedBy } = job;
  const { buildMachine, coverageOf, digestTables } = await import("@kpkeys/kernel");
  const { createExposureProbe } = await import("@kpkeys/workloads");
  const probe = openedBy === undefined ? undefined : createExposureProbe(openedBy);
  const tools = probe === undefined ? [] : [probe.plugin];
  const features = [...spec.features, ...tools.map(({ id }) => id)];
  const machine = buildMachine({ ...spec, features }, await loadPlugins(spec.arch, spec.features, tools));
  probe?.start();

  const { attack, runSuites } = await import("@kpkeys/kunit-suite");
  let fullest: Protection | undefined;

  /** Looks at what is protected now, and keeps it if there is more to see than before, or a gap that was not there. */
  function look(): void {
    const tables = machine.scan();
    const coverage = coverageOf(machine, tables);
    const more =
      coverage.pages > (fullest?.coverage.pages ?? 0) || coverage.gaps.length > fullest!.coverage.gaps.length;
    if (more) fullest = { coverage, attack: checks.includes("attack") ? attack(machine, tables) : null };
  }
  const looks = checks.includes("coverage") || checks.includes("attack");

  let replay: ReplayResult | null = null;
  if (trace !== undefined) {
    const { replayTrace } = await import("@kpkeys/workloads");
    replay = await replayTrace(machine, trace, {
      onProgress,
      check,
      ...(vmpte !== undefined && { vmpte }),
      ...(looks && { onFuller: look }),
    });
  }
  const exposure = probe?.result() ?? null;

  let micro: MicroResult[] | null = null;
  if (job.micro === true) {
    const { MICROMM, runMicro, TEST_VMALLOC } = await import("@kpkeys/workloads");
    micro = [...MICROMM, ...TEST_VMALLOC].map((benchmark) => runMicro(machine, benchmark));
  }
  if (looks) look();

  const { LinearMap } = await import("@kpkeys/core/contracts");
  return {
    job,
    replay,
    exposure,
    micro,
    tables: digestTables(machine.memory, machine.scan()),
    coverage: checks.includes("coverage") ? fullest!.coverage : null,
    linearMap: checks.includes("coverage") ? machine.get(LinearMap).stats() : null,
    attack: fullest?.attack ?? null,
    kunit: checks.includes("kunit") ? runSuites(machine) : null,
  };
}
