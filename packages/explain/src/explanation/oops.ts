import { KpkeysError } from "@kpkeys/core";
import type { OopsForm } from "@kpkeys/core/contracts";
import type { Explainer } from "./explainer.js";

/** An input found in a log. */
export interface FoundInput {
  /** Its value, as printed. */
  readonly text: string;
  /** The line number, from 1. */
  readonly line: number;
}

/** The first fault report of a kernel log. */
export interface OopsReport {
  /** Id of the architecture that prints this form. */
  readonly id: string;
  /** The inputs by name. */
  readonly inputs: Readonly<Record<string, FoundInput>>;
  /** Numbers of the lines that mark a table as unreadable. */
  readonly unreadable: readonly number[];
  /** Number of other fault reports in the log. */
  readonly others: number;
}

/** The report that lines are added to. */
interface OpenReport {
  readonly id: string;
  readonly form: OopsForm;
  /** Whether it is the line of a user process's signal. */
  readonly isSignal: boolean;
  /** The inputs, with the rank of the pattern that matched. */
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
/** The kernel's mark of a table that it cannot read (dump_pagetable). */
const UNREADABLE = /\b(?:PGD|P4D|PUD|PMD) [\da-f].*\bBAD\b/;

/**
 * Finds the first fault report in a kernel log, line by line: a whole dmesg, a journal, the recording of a serial console. Patterns
 * match anywhere in a line, so prefixes are ignored. If lines name the task or CPU that printed them, each has a separate report. A
 * kernel report is preferred to signals of user processes.
 */
export class OopsReader {
  /** Number of lines read. */
  lines = 0;
  /** The open report of each task or CPU. */
  private readonly reports = new Map<string, OpenReport>();
  private first: OpenReport | undefined;
  private count = 0;

  /** @param explainers - the possible architectures */
  constructor(private readonly explainers: readonly Pick<Explainer, "id" | "tools">[]) {}

  /**
   * Reads the next line.
   * @param raw - the line without its newline
   */
  push(raw: string): void {
    this.lines++;
    const text = raw.replaceAll(CONTROL_SEQUENCE, "");
    const caller = CALLER.exec(text)?.[1] ?? "";
    const begun = this.begin(text, this.reports.get(caller));
    if (begun !== undefined) {
      this.count++;
      if (this.first === undefined || (this.first.isSignal && !begun.isSignal)) this.first = begun;
      if (!begun.isSignal) this.reports.set(caller, begun);
    }
    const report = begun?.isSignal ? begun : this.reports.get(caller);
    if (report === undefined) return;
    if (matches(report.form.deaths, text)) report.hasDied = true;
    if (report === this.first) readLine(report, text, this.lines);
    if (END.test(text)) this.reports.delete(caller);
  }

  /**
   * Ends the log.
   * @param where - the log's name, for errors
   * @returns the report
   * @throws KpkeysError ERR_EXPLAIN_NO_OOPS if there is none; ERR_EXPLAIN_LIMIT for a system that the model does not cover
   */
  finish(where: string): OopsReport {
    const ids = this.explainers.map(({ id }) => id).join(" or ");
    if (this.first === undefined) {
      throw new KpkeysError("ERR_EXPLAIN_NO_OOPS", `no fault report in ${this.lines} lines`, {
        where,
        expected: `one of ${ids}, or the values as flags`,
      });
    }
    const { id, found, unreadable, foreign } = this.first;
    if (foreign !== undefined) {
      throw new KpkeysError("ERR_EXPLAIN_LIMIT", `cannot explain a fault report of ${foreign}`, {
        where,
        expected: `one of ${ids}`,
      });
    }
    const inputs = Object.fromEntries([...found].map(([name, { text, line }]) => [name, { text, line }]));
    return { id, inputs, unreadable, others: this.count - 1 };
  }

  /** @returns the report that a line begins, if any */
  private begin(text: string, open: OpenReport | undefined): OpenReport | undefined {
    const mayDie = open === undefined || open.hasDied;
    for (const { id, tools } of this.explainers) {
      const form = tools.explanation.oops;
      if (form === undefined) continue;
      const isSignal = matches(form.signals, text);
      if (!isSignal && !matches(form.heads, text) && !(mayDie && matches(form.deaths, text))) continue;
      return { id, form, isSignal, found: new Map(), unreadable: [], hasDied: false, foreign: undefined };
    }
    return undefined;
  }
}

function matches(patterns: readonly RegExp[], text: string): boolean {
  return patterns.some((pattern) => pattern.test(text));
}

function readLine(report: OpenReport, text: string, line: number): void {
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
