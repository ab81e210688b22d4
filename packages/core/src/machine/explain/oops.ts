import type { OopsForm } from "../../contracts/index.js";

/** An input that was found in a log. */
export interface FoundInput {
  /** Its value, as the log has it. */
  readonly text: string;
  /** The number of the line, from 1 on. */
  readonly line: number;
}

/** The first fault report of a kernel log. */
export interface OopsReport {
  /** Which form it has: the architecture's id. */
  readonly id: string;
  /** The inputs that were found, by their names. */
  readonly inputs: Readonly<Record<string, FoundInput>>;
  /** The lines that say that a table could not be read. */
  readonly unreadable: readonly number[];
  /** How many fault reports follow. */
  readonly others: number;
  /** The system that it is of, if the model does not cover that. */
  readonly foreign: string | undefined;
}

/** Finds the first fault report in a kernel log, line by line. */
export interface OopsReader {
  /**
   * Takes the next line.
   * @param line - without its newline
   */
  take(line: string): void;
  /** @returns the report, or `undefined` if there is none */
  finish(): OopsReport | undefined;
}

/** The report that lines are added to. */
interface OpenReport {
  readonly id: string;
  readonly form: OopsForm;
  /** Whether it is a line on a signal of a user process. */
  readonly isSignal: boolean;
  /** What was found, with the number of the pattern. */
  readonly found: Map<string, FoundInput & { readonly rank: number }>;
  readonly unreadable: number[];
  hasDied: boolean;
  foreign: string | undefined;
}

/** The end of a report. */
const END = /---\[ end (?:trace|Kernel panic)/;
/** Colours and cursor movements of a console. */
const CONTROL_SEQUENCE = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[A-Za-z]`, "g");
/** The time, and after it the task or CPU that printed the line (CONFIG_PRINTK_CALLER). */
const CALLER = /\[\s*\d+\.\d+\]\s*\[\s*([TC]\d+)(?:@[TC]?\d+)?\]/;
/** How the kernel marks a table that it cannot read (dump_pagetable). */
const UNREADABLE = /\b(?:PGD|P4D|PUD|PMD) [\da-f].*\bBAD\b/;

/**
 * Reads a kernel log: a whole dmesg, a journal, the recording of a serial console. Patterns match anywhere in a line, so that
 * prefixes do not matter; where lines name the task or CPU that printed them, each has its own report. A report of the kernel
 * comes before signals of user processes.
 *
 * @param forms - how reports look, by architecture
 * @returns the reader
 */
export function createOopsReader(forms: readonly (readonly [id: string, form: OopsForm])[]): OopsReader {
  const reports = new Map<string, OpenReport>();
  let first: OpenReport | undefined;
  let count = 0;
  let line = 0;

  /** The report that a line begins, if it begins one. */
  function begin(text: string, open: OpenReport | undefined): OpenReport | undefined {
    const mayDie = open === undefined || open.hasDied;
    for (const [id, form] of forms) {
      const isSignal = matches(form.signals, text);
      if (!isSignal && !matches(form.heads, text) && !(mayDie && matches(form.deaths, text))) continue;
      return { id, form, isSignal, found: new Map(), unreadable: [], hasDied: false, foreign: undefined };
    }
    return undefined;
  }

  return {
    take(raw) {
      line++;
      const text = raw.replaceAll(CONTROL_SEQUENCE, "");
      const caller = CALLER.exec(text)?.[1] ?? "";
      const begun = begin(text, reports.get(caller));
      if (begun !== undefined) {
        count++;
        if (first === undefined || (first.isSignal && !begun.isSignal)) first = begun;
        if (!begun.isSignal) reports.set(caller, begun);
      }
      const report = begun?.isSignal ? begun : reports.get(caller);
      if (report === undefined) return;
      if (matches(report.form.deaths, text)) report.hasDied = true;
      if (report === first) takeLine(report, text, line);
      if (END.test(text)) reports.delete(caller);
    },
    finish() {
      if (first === undefined) return undefined;
      const { id, found, unreadable, foreign } = first;
      const inputs = Object.fromEntries([...found].map(([name, each]) => [name, { text: each.text, line: each.line }]));
      return { id, inputs, unreadable, others: count - 1, foreign };
    },
  };
}

function matches(patterns: readonly RegExp[], text: string): boolean {
  return patterns.some((pattern) => pattern.test(text));
}

function takeLine(report: OpenReport, text: string, line: number): void {
  const { form, found, unreadable } = report;
  form.patterns.forEach((pattern, rank) => {
    for (const [name, value] of Object.entries(pattern.exec(text)?.groups ?? {})) {
      const input = name.replaceAll("_", "-");
      if ((found.get(input)?.rank ?? Infinity) <= rank) continue;
      found.set(input, { text: value, line, rank });
    }
  });
  if (UNREADABLE.test(text)) unreadable.push(line);
  report.foreign ??= form.foreign.find(([, pattern]) => pattern.test(text))?.[0];
}
