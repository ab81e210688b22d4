import { KpkeysError } from "@kpkeys/core";
import type { Machine, MachineCounters } from "@kpkeys/kernel";
import type { TraceEvent } from "../reader/event.js";
import type { Recording } from "../reader/recording.js";
import type { TraceForm } from "../reader/text-form.js";
import type { TraceSummary } from "../reader/trace-reader.js";
import type { VmpteRecord } from "../reader/vmpte.js";
import { compareWithLinux } from "./agreement.js";
import type { Agreement } from "./agreement.js";
import { Checker } from "./check.js";
import type { CheckMode, CheckResult } from "./check.js";
import { countersSince } from "./counters.js";
import { Extent } from "./extent.js";
import type { Until } from "./extent.js";
import { lacksOf } from "./lacks.js";
import type { Lack } from "./lacks.js";
import { Operations } from "./operations.js";
import { Peaks } from "./peaks.js";
import { Sample } from "./sample.js";
import type { SampleCounts, SampleOptions } from "./sample.js";
import type { FaultCounts } from "./user-faults.js";

/** Options of {@link replayTrace}. */
export interface ReplayOptions {
  /** VmPTE of the same processes, recorded on Linux, to compare the result with. */
  readonly vmpte?: readonly VmpteRecord[];
  /** How often the page tables are audited during the replay; `off` if left out. */
  readonly check?: CheckMode;
  /** The part of the trace to replay; the whole trace if left out. */
  readonly until?: Until;
  /** The share of the programs to replay; all programs if left out. */
  readonly sample?: SampleOptions;
  /** Called after each event; true ends the replay. */
  readonly stop?: () => boolean;
  /**
   * Called before each event that is replayed, for tools that observe the machine.
   * @param event - the record, reused for the next event
   */
  readonly before?: (event: TraceEvent) => void;
  /**
   * Called a few hundred times during a large replay.
   * @param share - share of the replay that is done, 0 to 1; 0 for a stream of unknown size
   * @param events - events read so far
   */
  readonly onProgress?: (share: number, events: number) => void;
  /**
   * Called before a process exits whenever live table pages exceed the last reported peak by 25 %. At the end of a recording all
   * processes have exited, so the tables are audited at the peaks. The counters and the time of the result do not include the work of
   * this function.
   */
  readonly onPeak?: () => void;
}

/** The result of a replay. */
export interface ReplayResult extends Readonly<FaultCounts> {
  /** The trace. */
  readonly trace: {
    /** File name without the common endings. */
    readonly name: string;
    /** Events read. */
    readonly events: number;
    /** The tool that printed the text. */
    readonly form: TraceForm;
    /** Limits of the form of text and of this recording, in sentences. */
    readonly limits: readonly string[];
    /** Information that the recording lacks, the most important first. Numbers that depend on it are not known. */
    readonly lacks: readonly Lack[];
    /** Lines read: the sum of `eventLines`, `comments`, `blanks` and the numbers of `unused`. */
    readonly lines: number;
    /**
     * Lines with events. One line of strace gives several events, and one call of strace may be on two lines. The entry of a call without
     * its end is an event, but its line is in `unused`.
     */
    readonly eventLines: number;
    /** Lines that begin with `#`. */
    readonly comments: number;
    /** Empty lines and lines of spaces. */
    readonly blanks: number;
    /** Number of unused lines by description. */
    readonly unused: Readonly<Record<string, number>>;
    /** Unused lines that match no form of the tool's text. */
    readonly unreadable: number;
    /** Events with an earlier time than the event before them. */
    readonly backwards: number;
    /** Processes replayed. */
    readonly processes: number;
    /** Events that perf reported as lost. */
    readonly lost: number;
    /** System calls that succeeded on Linux and that the model refused: length 0, outside the user half, or mappings that do not exist. */
    readonly refused: number;
    /** The requested end of the replay; `null` for the end of the trace. */
    readonly until: Until | null;
    /** The sample; `null` if all programs were replayed. */
    readonly sample: SampleCounts | null;
  };
  /** Whether {@link ReplayOptions.stop} ended the replay. */
  readonly stopped: boolean;
  /** The machine's counters before the replay: those of its boot, if nothing else ran before. */
  readonly boot: MachineCounters;
  /** The machine's counters for the replay. */
  readonly counters: MachineCounters;
  /** Wall time in seconds, including the time to read the trace. */
  readonly seconds: number;
  /** Comparison with Linux; `null` without VmPTE records. */
  readonly linux: Agreement | null;
  /** Result of the check; `null` with `check` off. */
  readonly check: CheckResult | null;
}

/**
 * Replays a recorded workload: each event runs as an operation of the model kernel.
 *
 * @param machine - a booted machine. Processes that do not end in the trace stay alive in it.
 * @param recording - the recording
 * @param options - extent, checks and comparison
 * @returns the result of the replay
 * @throws KpkeysError ERR_INPUT_MISSING, ERR_INPUT_KIND, ERR_INPUT_TRUNCATED, ERR_TRACE_EMPTY, ERR_TRACE_LINE, ERR_TRACE_TIMES;
 *   ERR_OUT_OF_MEMORY and ERR_TRACE_PAGE_SIZE with the line of the trace; ERR_KERNEL_FAULT if the model kernel faults
 */
export async function replayTrace(
  machine: Machine,
  recording: Recording,
  options: ReplayOptions = {},
): Promise<ReplayResult> {
  const { check = "off", vmpte, until, stop, before, onPeak } = options;
  const peaks = onPeak && new Peaks(machine, onPeak);
  const operations = new Operations(machine, (thread) => {
    peaks?.beforeExit();
    if (vmpte !== undefined) operations.exits.note(thread, operations.lost);
  });
  const boot = machine.counters();
  const checker = check === "off" ? undefined : new Checker(machine, check);
  const extent = new Extent(recording.where, until, stop);
  const replay = observed(operations, checker, before);
  const sample = options.sample && new Sample(options.sample, replay);

  const start = performance.now();
  const sink =
    sample === undefined
      ? replay
      : (event: TraceEvent): void => {
          sample.push(event);
        };
  const summary = await read(recording, options, operations, extent, sink);
  const checked = checker?.finish() ?? null;
  const seconds = (performance.now() - start) / 1000 - (peaks?.seconds ?? 0);

  operations.finish();
  const counters = countersSince(boot, machine.counters());
  const { stopped } = extent;
  const trace = traceOf(summary, operations, extent, until, sample);
  return {
    trace,
    stopped,
    ...operations.faults.counts,
    boot,
    counters: peaks?.withoutTool(counters) ?? counters,
    seconds,
    linux: vmpte === undefined ? null : agreementOf(vmpte, operations, trace, stopped),
    check: checked,
  };
}

/** The function that replays one event and calls the tools around it. */
function observed(
  operations: Operations,
  checker: Checker | undefined,
  before: ReplayOptions["before"],
): (event: TraceEvent) => void {
  if (checker === undefined && before === undefined)
    return (event) => {
      operations.replay(event);
    };
  return (event) => {
    before?.(event);
    operations.replay(event);
    checker?.after(event);
  };
}

/** Reads the trace up to the end of the extent. */
async function read(
  recording: Recording,
  { until, stop, onProgress }: ReplayOptions,
  operations: Operations,
  extent: Extent,
  sink: (event: TraceEvent) => void,
): Promise<TraceSummary> {
  const mayEnd = until !== undefined || stop !== undefined;
  const reading = {
    onProgress(consumed: number, size: number): void {
      onProgress?.(Math.max(extent.share(), size === 0 ? 0 : consumed / size), extent.events);
    },
    onLost(events: number): void {
      operations.lost += events;
    },
    ...(mayEnd && { enough: () => extent.enough() }),
  };
  const pass = (event: TraceEvent): void => {
    if (extent.includes(event)) sink(event);
  };
  try {
    return await recording.read(pass, reading);
  } catch (error) {
    throw error instanceof KpkeysError ? atLine(`${recording.where}:${operations.line}`, error) : error;
  }
}

function traceOf(
  summary: TraceSummary,
  operations: Operations,
  { events, stopped }: Extent,
  until: Until | undefined,
  sample: Sample | undefined,
): ReplayResult["trace"] {
  const { name, form, lines, eventLines, comments, blanks, unused, unreadable, backwards } = summary;
  const { threads, syscalls, lost } = operations;
  const { refused, execs } = syscalls;
  const whole = !stopped && until === undefined;
  return {
    name,
    events,
    form,
    limits: [...summary.limits, ...limitsOf(operations, summary)],
    lacks: lacksOf({ summary, threads: threads.threads, unforked: threads.unforked, execs, whole }),
    lines,
    eventLines,
    comments,
    blanks,
    unused,
    unreadable,
    backwards,
    processes: threads.processes,
    lost,
    refused,
    until: until ?? null,
    sample: sample?.counts ?? null,
  };
}

/** Limits of this recording's events. */
function limitsOf({ syscalls }: Operations, { kinds }: TraceSummary): string[] {
  const samples = kinds.page_fault ?? 0;
  const { unknownEffects } = syscalls;
  return [
    ...(samples > 0
      ? [
          `${samples} samples of page faults do not show whether they are reads or writes: replayed as writes where allowed`,
        ]
      : []),
    ...(unknownEffects > 0
      ? [`${unknownEffects} calls of process_madvise: their ranges are in the caller's memory, which is not recorded`]
      : []),
  ];
}

/** The comparison with Linux. Information that the recording lacks explains a difference before any other reason. */
function agreementOf(
  account: readonly VmpteRecord[],
  { exits, pageBytes }: Operations,
  { lacks, until, sample }: ReplayResult["trace"],
  stopped: boolean,
): Agreement {
  const whole = !stopped && until === null && sample === null;
  const reasons = lacks.filter(({ kind }) => kind !== "switches").map(({ reason }) => reason);
  return compareWithLinux(account, exits.byPid, whole, reasons, pageBytes);
}

/** Adds the line of the trace to an error of the machine. Errors of the reader already have it. */
function atLine(where: string, error: KpkeysError): KpkeysError {
  const isMachineError = error.code === "ERR_OUT_OF_MEMORY" || error.code === "ERR_TRACE_PAGE_SIZE";
  return isMachineError ? new KpkeysError(error.code, error.message, { where, cause: error }) : error;
}
