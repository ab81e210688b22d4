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
import { FullestMoment } from "./fullest-moment.js";
import { chooseSuites } from "./kunit-cases.js";
import type { KunitChoice } from "./kunit-cases.js";
import { loadRegistry } from "./plugins/load.js";
import type { PluginEntry } from "./plugins/registry.js";
import type { Policy, SeriesName } from "@kpkeys/scenarios";
import type { TimelineOptions } from "./timeline/file-timeline.js";
import type { Timeline } from "./timeline/timeline.js";

/** What can be looked at in a machine once it has booted and replayed. */
export type Check = "coverage" | "attack" | "kunit" | "kunitCases";

/** What a worker does, as plain data: makes one machine, replays a trace on it, checks it. */
export interface Job {
  /** The version of the series that the machine's options come from. */
  readonly series: SeriesName;
  /** The policy that they come from. */
  readonly policy: Policy;
  /** Its plugins. */
  readonly plugins: readonly PluginEntry[];
  /** The machine. */
  readonly spec: MachineSpec;
  /** The file to replay; none if left out. */
  readonly trace?: string;
  /** How much of it; all if left out. */
  readonly until?: Until;
  /** Which share of its programs; all if left out. */
  readonly sample?: SampleOptions;
  /** The VmPTE file to hold the replay against. */
  readonly vmpte?: string;
  /** Where a timeline of the replay goes; there is none if left out. */
  readonly timeline?: TimelineOptions;
  /** How often the page tables are looked at during the replay. */
  readonly check?: CheckMode;
  /** What makes table pages writable on this machine, if it is to be watched during the replay. */
  readonly openedBy?: OpenedBy;
  /** Whether the micro-benchmarks are run after that. */
  readonly micro?: boolean;
  /** What is checked after that. */
  readonly checks: readonly Check[];
  /** Which KUnit cases, if they are run or named; all unless given. */
  readonly kunit?: KunitChoice;
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
  readonly tables: string | null;
  /** Which table pages are protected, at the fullest moment of the replay or after it. */
  readonly coverage: Coverage | null;
  /** Of what the linear map consists after the replay; looked at with the coverage. */
  readonly linearMap: LinearMapStats | null;
  /** What attacks on them came to, at that moment. */
  readonly attack: AttackResult | null;
  /** The KUnit suites, run last. */
  readonly kunit: readonly SuiteResult[] | null;
  /** The KUnit cases that there are, `suite.case`, in the order in which they would run. */
  readonly kunitCases: readonly string[] | null;
}

/**
 * Does a job in this thread.
 * @param job - what to do
 * @param hooks - what the replay calls meanwhile
 * @throws KpkeysError what building, replaying and checking throw
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
  // Loaded together: while files of one are read, those of another are compiled.
  const [{ buildMachine, coverageOf }, plugins, { attack, runSuites }] = await Promise.all([
    import("@kpkeys/kernel"),
    loadRegistry(job.plugins, tools),
    import("@kpkeys/kunit-suite"),
  ]);
  const machine = buildMachine({ ...spec, features }, plugins);
  probe?.start();

  const fullest = watchOf(machine, job, coverageOf, attack);
  const onPeak = fullest && {
    onPeak: () => {
      fullest.look();
    },
  };
  const replay = await replayOn(machine, job, timeline, { ...hooks, ...onPeak });
  const exposure = probe?.result() ?? null;
  const micro = job.micro === true ? await microOn(machine) : null;
  fullest?.look();
  const tables = replay === null ? null : machine.digestTables();
  const covered = await coveredBy(machine, job, fullest);
  return { job, replay, exposure, micro, tables, ...covered, ...(await kunitOn(machine, job, runSuites)) };
}

/** What looks at the protection, if the job asks for any of it. */
function watchOf(
  machine: Machine,
  { checks }: Job,
  findCoverage: typeof coverageOf,
  attackAll: typeof attack,
): FullestMoment | undefined {
  const attacks = checks.includes("attack");
  if (!attacks && !checks.includes("coverage")) return undefined;
  return new FullestMoment(machine, findCoverage, attacks ? attackAll : undefined);
}

/** What was protected at the fullest moment, as far as the job asks for it. */
async function coveredBy(
  machine: Machine,
  { checks }: Job,
  fullest: FullestMoment | undefined,
): Promise<Pick<JobResult, "coverage" | "linearMap" | "attack">> {
  const attack = fullest?.attacked ?? null;
  if (!checks.includes("coverage")) return { coverage: null, linearMap: null, attack };
  const { LinearMap } = await import("@kpkeys/core/contracts");
  return { coverage: fullest!.coverage!, linearMap: machine.get(LinearMap).stats(), attack };
}

/** Runs or names the KUnit cases, whichever the job asks for. */
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

/** Replays a job's trace, if it has one, with a timeline of it, if one is wanted. */
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
        timeline.apart(onPeak);
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
