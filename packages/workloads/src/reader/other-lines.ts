// Lines of a recording that are not events: messages of perf, trace-cmd and the kernel's console.

/** Description of an unused line: perf trace printed it, and its text abbreviates numbers. */
export const PERF_TRACE = "line of perf trace";

/** Messages of perf and trace-cmd, mostly from stderr. They are in a recording if both streams go to one file. */
const REMARK = new RegExp(
  [
    /^(?:cpus=\d|version = \d|CPU \d+ is empty|trace-cmd |\[ ?perf |perf: )/,
    /^(?:Warning|WARNING|Error|ERROR|Failed|failed|BFD|Kernel|Cannot|Can't|Couldn't|Could not|Unable)\b/,
    /^(?:no symbols found|Processed \d+ events|Check IO\/CPU overload|Use of |Samples in kernel|Reducing |Please |Try )/,
    /^\d+ (?:out of order events|unprocessable samples|unresolvable|\(\d)/,
    /^0x[0-9a-f]+ \[(?:0x)?[0-9a-f]+\]: failed to process/,
    /addr2line|objdump|build id|debuginfo|debug package|libtraceevent/,
    /continuing without symbols|corrupted callchain|callchain.*skipping|: (?:No such file|Permission denied|Bad address)/,
  ]
    .map(({ source }) => source)
    .join("|"),
);

/** `time ( duration): comm/tid call(…`. perf trace leaves out the thread if there is only one. */
const OF_PERF_TRACE = /^ *(?:\d+\.\d{3}|\?) +(?:\( *(?:\d+\.\d{3} ms)? *\): |\S.*\/\d+ \S)/;

/** The time at the start of a console line, after an optional level or the prefix of a log daemon. */
const KERNEL_LOG = /^(?:<\d+>|[A-Z][a-z]{2} [ \d]\d [\d:]{8} \S+ kernel: )?\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? /;
const RULER = /^ ?-{9,}$/;

/** `cpu) duration | function() {` of the function_graph tracer of ftrace, with an optional time, and its task switches. */
const FUNCTION_GRAPH = /^ *(?:\d+\.\d+ \| +)?\d+\) .*(?:\| |=>)/;
/** An event in the text of that tracer: a comment without the thread. */
const IN_GRAPH = /\/\* \w+[:(].*\*\/\s*$/;

/** Stacks of ftrace and trace-cmd. */
const KERNEL_STACK = /^\s*=> |<(?:user )?stack trace *>/;

/** The other lines of a call chain entry, which only follow an event: a symbol without address, an object, a source line. */
const CHAIN_CONTINUED = /^(?:\s+(?:\S+|.*\)|.*:\d+)|\|.*)$/;

/**
 * Describes a line that is not an event.
 * @param text - the line, or its beginning
 * @param inChain - whether the lines since the last blank line are an event and its call chain
 * @returns the description, or `undefined` for a line that none of the tools prints
 */
export function otherLine(text: string, inChain: boolean): string | undefined {
  if (REMARK.test(text)) return "remark";
  if (KERNEL_STACK.test(text) || (inChain && CHAIN_CONTINUED.test(text))) return "call chain";
  if (FUNCTION_GRAPH.test(text))
    return IN_GRAPH.test(text) ? "event in a function graph, without its thread" : "function graph";
  if (OF_PERF_TRACE.test(text)) return PERF_TRACE;
  if (KERNEL_LOG.test(text) || RULER.test(text)) return "kernel log";
  return undefined;
}
