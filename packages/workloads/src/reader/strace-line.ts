/** The parts of a line. */
export interface StraceLine {
  /** The tid in the PID namespace of strace; -1 if the line has none. */
  readonly tid: number;
  /** The time in nanoseconds; NaN if the line has none. */
  readonly time: number;
  /** Whether {@link StraceLine.time} is the time since the line before (`-r`). */
  readonly relative: boolean;
  /** The rest of the line: a call, the end of a call, a signal, an exit. */
  readonly what: string;
}

/** The start of the rest: a call, the end of a call, an exit, a signal, a message of strace. */
const WHAT = /[a-z_]\w*\(|<\.\.\. [a-z_]\w* resumed>|\+\+\+ |--- |strace: |\[ Process PID=\d/y;

/**
 * The time and the columns after it. All are optional:
 *
 * ```
 *   1700000000.000100                 -ttt          12:00:00.000100 (+     0.000035)   -tt -r
 *   1700000000                        precision s        0.000249                      -r, with more spaces before it
 *   [  12]                            -n            [00007f55d1e57c47]                 -i
 * ```
 */
const TIME =
  /( *)(?:(\d{1,12})(?:\.(\d{3,9}))? +|(\d\d):(\d\d):(\d\d)(?:\.(\d{3,9}))? +)?(?:\(\+ {0,9}\d{1,12}(?:\.\d{1,9})?\) +)?(?:\[ {0,3}\d{1,4}\] )?(?:\[[0-9a-f?]{8,16}\] )?/y;

const NUMBER = /\[pid +(\d{1,7})|(\d{1,7})(?=[ <])/y;
/** The number of a tid in the PID namespace of strace, which other lines use. */
const NAMESPACE = /(?: \/\* (\d{1,7}) in strace's PID NS \*\/)?/y;

/** A comm has 15 bytes; strace may print each as an octal escape of four characters. */
const LONGEST_COMM = 60;

/** A call with its result, an unfinished call, the end of a call, or the exit of a thread. */
const HAPPENED = /^(?:[a-z_]\w*\(.*(?:\) *= |<unfinished \.\.\.>$)|<\.\.\. |\+\+\+ )/;

/** Whether a line is a call or an exit of strace. @param text - the line */
export function isStraceLine(text: string): boolean {
  return HAPPENED.test(splitStraceLine(text)?.what ?? "");
}

/**
 * Splits a line of strace.
 * @param text - the line, without spaces at its end
 * @returns undefined if it is not a line of strace
 */
export function splitStraceLine(text: string): StraceLine | undefined {
  const number = matchAt(NUMBER, text, 0);
  if (number === null) return readTime(text, 0, -1, 0);
  const brackets = number[1] !== undefined;
  const digits = number[1] ?? number[2]!;
  const end = number[0].length;
  const padding = Math.max(0, 5 - digits.length);
  if (text[end] !== "<") return afterNumber(text, end, Number(digits), brackets, brackets ? 0 : padding);
  // A comm may contain any character. It ends at the first bracket after which the rest of the line matches.
  for (let at = end + 1; at <= end + LONGEST_COMM + 1 && at < text.length; at++) {
    const line = text[at] === ">" ? afterNumber(text, at + 1, Number(digits), brackets, 0) : undefined;
    if (line !== undefined) return line;
  }
  return undefined;
}

/** Reads the rest of a line after the tid and the comm. */
function afterNumber(
  text: string,
  at: number,
  number: number,
  brackets: boolean,
  padding: number,
): StraceLine | undefined {
  const namespace = matchAt(NAMESPACE, text, at)!;
  const tid = namespace[1] === undefined ? number : Number(namespace[1]);
  const end = at + namespace[0].length;
  const terminator = brackets ? "] " : " ";
  return text.startsWith(terminator, end) ? readTime(text, end + terminator.length, tid, padding) : undefined;
}

/** Reads the time and the rest. @param padding - spaces after the tid in addition to one */
function readTime(text: string, at: number, tid: number, padding: number): StraceLine | undefined {
  const columns = matchAt(TIME, text, at)!;
  const start = at + columns[0].length;
  if (matchAt(WHAT, text, start) === null) return undefined;
  const [, spaces = "", seconds, fraction = "", hours, minutes, clockSeconds, clockFraction = ""] = columns;
  const what = text.slice(start);
  if (seconds !== undefined) {
    return { tid, time: nanoseconds(Number(seconds), fraction), relative: spaces.length > padding, what };
  }
  if (hours === undefined) return { tid, time: Number.NaN, relative: false, what };
  const ofDay = Number(hours) * 3600 + Number(minutes) * 60 + Number(clockSeconds);
  return { tid, time: nanoseconds(ofDay, clockFraction), relative: false, what };
}

function nanoseconds(seconds: number, fraction: string): number {
  return seconds * 1e9 + Number(fraction.padEnd(9, "0"));
}

/** Matches a sticky expression at a position. */
function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}
