import { KpkeysError } from "@kpkeys/core";
import type { Machine, MachineCounters } from "@kpkeys/kernel";
import type { TraceEvent } from "../reader/event.js";
import type { Recording } from "../reader/recording.js";
import type { TraceForm } from "../reader/text-form.js";
import type { TraceSummary } from "../reader/trace-reader.js";
import type { VmpteRecord } from "../reader/vmpte.js";
import { compareWithLinux } from "./agreement.js";
import type { Agreement } from "./agreement.js";
import { createChecker } from "./check.js";
import type { Checker, CheckMode, CheckResult } from "./check.js";
import { countersSince } from "./counters.js";
import { createExtent } from "./extent.js";
import type { Extent, Until } from "./extent.js";
import { FullerMoments } from "./fuller-moments.js";
import { lacksOf } from "./lacks.js";
import type { Lack } from "./lacks.js";
import { Operations } from "./operations.js";
import { Sample } from "./sample.js";
import type { SampleCounts, SampleOptions } from "./sample.js";
import type { FaultCounts } from "./user-faults.js";

/** How a trace is replayed. */
export interface ReplayOptions {
  /** What Linux itself said of the same processes, to hold the result against. */
  readonly vmpte?: readonly VmpteRecord[];
  /** How often the page tables are looked at meanwhile; `off` if left out. */
  readonly check?: CheckMode;
  /** How much of the trace is replayed; all of it if left out. */
  readonly until?: Until;
  /** Which share of its programs is replayed; all if left out. */
  readonly sample?: SampleOptions;
  /** Asked behind each event whether the replay should come to its end there. */
  readonly stop?: () => boolean;
  /**
   * Called before each event that is replayed, for tools that observe the machine meanwhile.
   * @param event - the event; one record for all
   */
  readonly before?: (event: TraceEvent) => void;
  /**
   * Called now and then.
   * @param share - how much of what is to be replayed is done, 0 to 1; 0 for a file without a size
   * @param events - events read so far
   */
  readonly onProgress?: (share: number, events: number) => void;
  /**
   * Called before a process exits while there are a quarter more table pages from the buddy allocator than when it was called
   * last: the moments at which there is most to see, for at the end of a recording all processes are gone. What it does is in no count
   * and no time of the result.
   */
  readonly onFuller?: () => void;
}

/** What a replay was. */
export interface ReplayResult extends Readonly<FaultCounts> {
  /** The trace. */
  readonly trace: {
    /** Its file's name without the usual endings. */
    readonly name: string;
    /** Events in it, or in the part of it that was read. */
    readonly events: number;
    /** Which tool's text it is. */
    readonly form: TraceForm;
    /** What a text of this kind cannot show, in sentences. */
    readonly limits: readonly string[];
    /** Kinds of event that the recording lacks, the weightiest first: what depends on them is not known. */
    readonly lacks: readonly Lack[];
    /** Lines of text, whatever they hold, as far as it was read: the sum of `eventLines`, `comments`, `blanks` and the numbers of `unused`. */
    readonly lines: number;
    /**
     * Of these those of events. A line of strace is several events, and a call of strace may be on two lines. A call without
     * its end is an event, and its line is among `unused`.
     */
    readonly eventLines: number;
    /** Of these those that begin with `#`. */
    readonly comments: number;
    /** Of these those of spaces or nothing. */
    readonly blanks: number;
    /** Lines that were not used, by what they are. */
    readonly unused: Readonly<Record<string, number>>;
    /** Of these those that have no form of the tool's text at all. */
    readonly unreadable: number;
    /** Events with a time before that of the event in front of them. */
    readonly backwards: number;
    /** Processes met, or of these those in the sample. */
    readonly processes: number;
    /** Events that perf says it lost while it recorded. */
    readonly lost: number;
    /** System calls that Linux carried out and the model refused: of no length, outside the user's half, of mappings that are not there. */
    readonly refused: number;
    /** Where the replay was to end; `null` for the end of the trace. */
    readonly until: Until | null;
    /** What was replayed of it; `null` for everything. */
    readonly sample: SampleCounts | null;
  };
  /** Whether {@link ReplayOptions.stop} ended it. */
  readonly stopped: boolean;
  /** What the machine did for it. */
  readonly counters: MachineCounters;
  /** Wall time, reading included. */
  readonly seconds: number;
  /** Agreement with Linux; `null` without its account. */
  readonly linux: Agreement | null;
  /** What was seen of the page tables meanwhile; `null` with `check` off. */
  readonly check: CheckResult | null;
}

/**
 * Replays a recorded workload: each event becomes the operation of the model kernel that it tells of.
 *
 * @param machine - a booted machine; the processes of the trace that do not end stay in it
 * @param recording - it
 * @param options - how
 * @returns what it was
 * @throws KpkeysError ERR_INPUT_MISSING, ERR_INPUT_KIND, ERR_INPUT_TRUNCATED, ERR_TRACE_EMPTY, ERR_TRACE_LINE;
 *   ERR_OUT_OF_MEMORY with the trace's line; ERR_KERNEL_FAULT when the kernel itself faults
 */
export async function replayTrace(
  machine: Machine,
  recording: Recording,
  options: ReplayOptions = {},
): Promise<ReplayResult> {
  const { check = "off", vmpte, until, stop, before, onFuller } = options;
  const fuller = onFuller && new FullerMoments(machine, onFuller);
  const operations = new Operations(machine, (thread) => {
    fuller?.beforeExit();
    if (vmpte !== undefined) operations.exits.note(thread, operations.lost);
  });
  const countersBefore = machine.counters();
  const checker = check === "off" ? undefined : createChecker(machine, check);
  const extent = createExtent(recording.where, until, stop);
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
  const seconds = (performance.now() - start) / 1000 - (fuller?.seconds ?? 0);

  operations.finish();
  const counters = countersSince(countersBefore, machine.counters());
  const { stopped } = extent;
  const trace = traceOf(summary, operations, extent, until, sample);
  return {
    trace,
    stopped,
    ...operations.faults.counts,
    counters: fuller?.withoutTool(counters) ?? counters,
    seconds,
    linux: vmpte === undefined ? null : agreementOf(vmpte, operations, trace, stopped),
    check: checked,
  };
}

/** The replay of an event, with the tools that observe it. */
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

/** Reads as much of the trace as its extent takes. */
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
  const take = (event: TraceEvent): void => {
    if (extent.takes(event)) sink(event);
  };
  try {
    return await recording.read(take, reading);
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
    lacks: lacksOf({ summary, threads: threads.threads, strangers: threads.strangers, execs, whole }),
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

/** What the events of this recording do not show. */
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

/** A difference from Linux comes first of all from what the recording lacks. */
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

/** Adds the line of the trace to what the machine found wrong there; the reader's own errors have it. */
function atLine(where: string, error: KpkeysError): KpkeysError {
  const ofMachine = error.code === "ERR_OUT_OF_MEMORY" || error.code === "ERR_TRACE_PAGE_SIZE";
  return ofMachine ? new KpkeysError(error.code, error.message, { where, cause: error }) : error;
}
