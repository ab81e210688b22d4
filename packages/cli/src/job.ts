import type { LinearMapStats } from "@kpkeys/core/contracts";
import type { Coverage, coverageOf, Machine, MachineSpec } from "@kpkeys/kernel";
import type { attack, AttackResult, runSuites, SuiteResult } from "@kpkeys/kunit-suite";
import type {
  CheckMode,
  Exposure,
  ExposureProbe,
  MicroResult,
  OpenedBy,
  ReplayResult,
  SampleOptions,
  TraceEvent,
  Until,
} from "@kpkeys/workloads";
import type { ReplayFileOptions } from "@kpkeys/workloads/node";
import { chooseSuites } from "./kunit-cases.js";
import type { KunitChoice } from "./kunit-cases.js";
import { PeakCoverage } from "./peak-coverage.js";
import { loadRegistry } from "./plugins/load.js";
import type { PluginEntry } from "./plugins/registry.js";
import type { Policy, SeriesName } from "@kpkeys/scenarios";
import type { TimelineOptions } from "./timeline/file-timeline.js";
import type { Timeline } from "./timeline/timeline.js";

/** A check of a machine: after boot, or at the peak or at the end of its replay. */
export type Check = "coverage" | "attack" | "kunit" | "kunitCases";

/** The work of one worker, as plain data: it builds a machine, replays a recording on it and checks it. */
export interface Job {
  /** The version of the series, which sets options of the machine. */
  readonly series: SeriesName;
  /** The policy, which sets options too. */
  readonly policy: Policy;
  /** The plugins of the machine. */
  readonly plugins: readonly PluginEntry[];
  /** The machine. */
  readonly spec: MachineSpec;
  /** The recording; none if left out. */
  readonly trace?: string;
  /** The end of the replay; the whole recording if left out. */
  readonly until?: Until;
  /** The sample of its programs; all if left out. */
  readonly sample?: SampleOptions;
  /** A VmPTE file to compare the replay with. */
  readonly vmpte?: string;
  /** The file of the timeline; none if left out. */
  readonly timeline?: TimelineOptions;
  /** How often the page tables are audited during the replay. */
  readonly check?: CheckMode;
  /** The mechanism that makes table pages writable, if exposure is measured during the replay. */
  readonly openedBy?: OpenedBy;
  /** Whether the micro-benchmarks run after the replay. */
  readonly micro?: boolean;
  /** The checks, which run last. */
  readonly checks: readonly Check[];
  /** The KUnit cases to run or list; all if left out. */
  readonly kunit?: KunitChoice;
}

/** The results of a job, as plain data. Results that the job does not request are `null`. */
export interface JobResult {
  /** The job. */
  readonly job: Job;
  /** The replay. */
  readonly replay: ReplayResult | null;
  /** How long table pages were writable during the replay. */
  readonly exposure: Exposure | null;
  /** The micro-benchmarks. */
  readonly micro: readonly MicroResult[] | null;
  /** Digest of all page tables after the replay, 16 hexadecimal digits. */
  readonly tables: string | null;
  /** Coverage at the peak of the replay (see {@link PeakCoverage}). */
  readonly coverage: Coverage | null;
  /** The linear map after the replay; `null` without the check `coverage`. */
  readonly linearMap: LinearMapStats | null;
  /** The results of attacks at the peak. */
  readonly attack: AttackResult | null;
  /** The KUnit suites, run last. */
  readonly kunit: readonly SuiteResult[] | null;
  /** The names of the KUnit cases, `suite.case`, in the order in which they run. */
  readonly kunitCases: readonly string[] | null;
}

/**
 * Runs a job in this thread.
 * @param job - the job
 * @param hooks - hooks of the replay
 * @throws KpkeysError of building, replaying and checking
 */
export async function runJob(
  job: Job,
  hooks: Pick<ReplayFileOptions, "onProgress" | "stop" | "ahead"> = {},
): Promise<JobResult> {
  const { spec, openedBy } = job;
  const timeline = job.timeline && (await timelineOf(job, job.timeline));
  const probe = openedBy && (await probeOf(openedBy));
  const tools = [timeline, probe].flatMap((tool) => tool?.plugin ?? []);
  const features = [...spec.features, ...tools.map(({ id }) => id)];
  // Load in parallel: the files of one package are read while those of another are compiled.
  const [{ buildMachine, coverageOf }, plugins, { attack, runSuites }] = await Promise.all([
    import("@kpkeys/kernel"),
    loadRegistry(job.plugins, tools),
    import("@kpkeys/kunit-suite"),
  ]);
  const machine = buildMachine({ ...spec, features }, plugins);
  probe?.start();

  const peak = peakOf(machine, job, coverageOf, attack);
  const onPeak = peak && {
    onPeak: () => {
      peak.update();
    },
  };
  const replay = await replayOn(machine, job, timeline, { ...hooks, ...onPeak });
  const exposure = probe?.result() ?? null;
  const micro = job.micro === true ? await microOn(machine) : null;
  peak?.update();
  const tables = replay === null ? null : machine.digestTables();
  const covered = await coveredBy(machine, job, peak);
  return { job, replay, exposure, micro, tables, ...covered, ...(await kunitOn(machine, job, runSuites)) };
}

/** The recorder of coverage and attacks, if the job requests either. */
function peakOf(
  machine: Machine,
  { checks }: Job,
  findCoverage: typeof coverageOf,
  attackAll: typeof attack,
): PeakCoverage | undefined {
  const attacks = checks.includes("attack");
  if (!attacks && !checks.includes("coverage")) return undefined;
  return new PeakCoverage(machine, findCoverage, attacks ? attackAll : undefined);
}

/** The results of coverage and attacks that the job requests. */
async function coveredBy(
  machine: Machine,
  { checks }: Job,
  peak: PeakCoverage | undefined,
): Promise<Pick<JobResult, "coverage" | "linearMap" | "attack">> {
  const attack = peak?.attacked ?? null;
  if (!checks.includes("coverage")) return { coverage: null, linearMap: null, attack };
  const { LinearMap } = await import("@kpkeys/core/contracts");
  return { coverage: peak!.coverage!, linearMap: machine.get(LinearMap).stats(), attack };
}

/** Runs or lists the KUnit cases, if the job requests it. */
async function kunitOn(
  machine: Machine,
  { checks, kunit = {} }: Job,
  run: typeof runSuites,
): Promise<Pick<JobResult, "kunit" | "kunitCases">> {
  const suites = await chooseSuites(machine, kunit);
  const names = suites.flatMap(({ name, cases }) => cases.map((each) => `${name}.${each.name}`));
  return {
    kunitCases: checks.includes("kunitCases") ? names : null,
    kunit: checks.includes("kunit") ? run(machine, suites) : null,
  };
}

async function probeOf(openedBy: OpenedBy): Promise<ExposureProbe> {
  const workloads = await import("@kpkeys/workloads");
  return new workloads.ExposureProbe(openedBy);
}

async function microOn(machine: Machine): Promise<MicroResult[]> {
  const { MICROMM, runMicro, TEST_VMALLOC } = await import("@kpkeys/workloads");
  return [...MICROMM, ...TEST_VMALLOC].map((benchmark) => runMicro(machine, benchmark));
}

async function timelineOf({ spec, series, policy }: Job, options: TimelineOptions): Promise<Timeline> {
  const { createFileTimeline } = await import("./timeline/file-timeline.js");
  return createFileTimeline(options, `${spec.arch} ${series} ${policy}`);
}

/** Replays the recording of a job, if it has one, and writes its timeline. */
async function replayOn(
  machine: Machine,
  { trace, until, sample, vmpte, check = "off" }: Job,
  timeline: Timeline | undefined,
  hooks: Pick<ReplayFileOptions, "onProgress" | "stop" | "ahead" | "onPeak">,
): Promise<ReplayResult | null> {
  if (trace === undefined) return null;
  const { replayFile } = await import("@kpkeys/workloads/node");
  const { onPeak } = hooks;
  const observed = timeline && {
    before(event: TraceEvent) {
      timeline.before(machine, event);
    },
    ...(onPeak !== undefined && {
      onPeak() {
        timeline.pause(onPeak);
      },
    }),
  };
  try {
    return await replayFile(machine, trace, {
      ...hooks,
      ...observed,
      check,
      ...(until !== undefined && { until }),
      ...(sample !== undefined && { sample }),
      ...(vmpte !== undefined && { vmpte }),
    });
  } finally {
    timeline?.finish();
  }
}
