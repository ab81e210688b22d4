import type { MachineCounters } from "@kpkeys/kernel";
import { estimateOverhead } from "../cost/estimate.js";
import type { CostFile } from "../cost/cost-file.js";
import type { Policy } from "../cost/policy.js";
import { digestOf } from "./digest.js";
import type { ArchReport, BootReport, Documented, GapPlace, MachineName, PolicyReport, RunReport } from "./document.js";
import type { CheckedFindings, MachineFindings } from "./findings.js";
import { withUnknown } from "./unknown.js";

/** Costs that convert counts to time. */
export interface Pricing {
  /** Unit costs of one architecture. */
  readonly costs: CostFile;
  /** Assumed cycles of a key register write on the architecture where it is an MSR. */
  readonly wrmsr?: {
    /** Id of the architecture. */
    readonly arch: string;
    /** Cycles of one write. */
    readonly cycles: number;
  };
}

/** The machines of one architecture and version of the series. */
export interface Column {
  /** The machine of the strongest policy. */
  readonly checked: CheckedFindings;
  /** The machines of the other policies, in any order. */
  readonly others: readonly MachineFindings[];
  /** Whether the version documents a gap. */
  readonly isDocumented: (gap: GapPlace) => boolean;
}

/** The order of policies in a report, weakest first. */
const POLICIES: readonly Policy[] = ["off", "naive", "batched"];

/**
 * Builds the report of machines that replayed one recording.
 *
 * @param columns - the results by architecture and version; at least one
 * @param notRun - the machines that were not started
 * @param pricing - costs that convert counts to time
 */
export async function reportOf(
  columns: readonly Column[],
  notRun: readonly MachineName[],
  pricing: Pricing,
): Promise<RunReport> {
  const replays = columns.flatMap(({ checked, others }) => [checked, ...others]).map(({ replay }) => replay);
  const traces = replays.map(({ trace }) => trace);
  const trace = traces.reduce((longest, trace) => (trace.events > longest.events ? trace : longest));
  const refused = new Set(traces.map((trace) => trace.refused));
  return withUnknown({
    trace: { ...trace, refused: refused.size === 1 ? trace.refused : null },
    notKnown: [],
    partial: notRun.length > 0 || replays.some(({ stopped }) => stopped),
    notRun,
    arches: await Promise.all(columns.map((column) => archReportOf(column, pricing))),
  });
}

async function archReportOf({ checked, others, isDocumented }: Column, pricing: Pricing): Promise<ArchReport> {
  const machines = POLICIES.flatMap((name) => [checked, ...others].filter(({ policy }) => policy === name));
  const { arch, series, pkeys, policy, linearMap, replay, coverage, kunit, attack } = checked;
  const { trace, alreadyMapped, inferredMappings, unexplainedFaults, linux, check } = replay;
  const checks = {
    coverage: withDocumented(coverage, isDocumented),
    kunit,
    attack: attack && withDocumented(attack, isDocumented),
  };
  return {
    arch,
    series,
    pkeys,
    checked: policy,
    ...checks,
    linearMap,
    check: check && withDocumented(check, isDocumented),
    policies: Object.fromEntries(machines.map((machine) => [machine.policy, policyReportOf(machine, pricing)])),
    refused: trace.refused,
    alreadyMapped,
    inferredMappings,
    unexplainedFaults,
    linux,
    digest: await digestOf(machines, checks),
  };
}

function policyReportOf({ arch, policy, replay }: MachineFindings, { costs, wrmsr }: Pricing): PolicyReport {
  const { trace, boot, counters, seconds } = replay;
  const { tableWrites, writesBySetter, registerWrites, barriers, tlbInvalidations } = counters;
  return {
    boot: bootReportOf(boot),
    tableWrites,
    writesBySetter,
    registerWrites,
    barriers,
    tlbInvalidations,
    seconds,
    eventsPerSecond: Math.round(trace.events / seconds),
    events: trace.events,
    overhead: policy === "off" || arch !== costs.arch ? null : estimateOverhead(counters, costs),
    wrmsrCycles: wrmsr?.arch === arch ? wrmsr.cycles * registerWrites : null,
  };
}

function bootReportOf({ tableWrites, registerWrites, barriers, tlbInvalidations }: MachineCounters): BootReport {
  return { tableWrites, registerWrites, barriers, tlbInvalidations };
}

/** A result with a list of gaps. */
export interface WithGaps<Gap> {
  /** The gaps. */
  readonly gaps: readonly Gap[];
}

/**
 * Adds {@link Documented.documented} to each gap.
 * @param found - a result with gaps
 * @param isDocumented - whether the version of the series documents a gap
 */
export function withDocumented<Gap extends GapPlace, Found extends object>(
  found: Found & WithGaps<Gap>,
  isDocumented: (gap: Gap) => boolean,
): Omit<Found, "gaps"> & WithGaps<Gap & Documented> {
  return { ...found, gaps: found.gaps.map((gap) => ({ ...gap, documented: isDocumented(gap) })) };
}
