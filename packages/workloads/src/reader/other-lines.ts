// Lines of a recording that are no events: what perf, trace-cmd and the kernel's console print next to them.

/** What an unused line is: printed by perf trace, whose text has no full numbers. */
export const PERF_TRACE = "line of perf trace";

/** What perf and trace-cmd say, mostly on stderr; it ends in a recording when both streams go to one file. */
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

/** `time ( duration): comm/tid call(…`, of which perf trace leaves out the thread when there is one. */
const OF_PERF_TRACE = /^ *(?:\d+\.\d{3}|\?) +(?:\( *(?:\d+\.\d{3} ms)? *\): |\S.*\/\d+ \S)/;

/** The time that the kernel's console prints in front of its lines, perhaps behind a level or what a log daemon adds. */
const KERNEL_LOG = /^(?:<\d+>|[A-Z][a-z]{2} [ \d]\d [\d:]{8} \S+ kernel: )?\[ *\d+\.\d{6}\](?:\[ *[TC]\d+\])? /;
const RULER = /^ ?-{9,}$/;

/** `cpu) duration | function() {` of ftrace's function_graph tracer, perhaps with a time in front, and its changes of task. */
const FUNCTION_GRAPH = /^ *(?:\d+\.\d+ \| +)?\d+\) .*(?:\| |=>)/;
/** How that tracer prints an event: as a comment, without its thread. */
const IN_GRAPH = /\/\* \w+[:(].*\*\/\s*$/;

/** Stacks of ftrace and trace-cmd. */
const KERNEL_STACK = /^\s*=> |<(?:user )?stack trace *>/;

/** Further lines of an entry of a call chain, which only follow an event: a symbol without address, an object, a source line. */
const CHAIN_CONTINUED = /^(?:\s+(?:\S+|.*\)|.*:\d+)|\|.*)$/;

/**
 * Says what a line is that is no event.
 * @param text - the line, or its beginning
 * @param inChain - whether the lines in front of it, back to the last blank one, are an event and its call chain
 * @returns what it is; `undefined` for a line that none of the tools prints
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
