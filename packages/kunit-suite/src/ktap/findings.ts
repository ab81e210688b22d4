import { KpkeysError } from "@kpkeys/core";
import { countTests } from "./types.js";
import type { KtapDocument, KtapError, KtapTest } from "./types.js";

/** Most errors, and most remarks, that are listed. */
const MOST_LISTED = 1000;
/** Limits of the memory for results and for log lines, and the cost of a line or a level in addition to its characters. */
const MOST_RESULTS = 64 << 20;
const MOST_LOG = 32 << 20;
const RESULT_COST = 64;
const LEVEL_COST = 16;
const LOG_COST = 32;

/** Collects the documents of a log, their errors and their remarks in bounded memory. */
export class Findings {
  private readonly tests: KtapTest[] = [];
  private readonly errors = new BoundedList("errors");
  private readonly remarks = new BoundedList("remarks");
  private documents = 0;
  private missing = 0;
  private crashed = 0;
  private results = 0;
  private logged = 0;
  private dropped = 0;

  /** Adds an error: results are missing, contradict each other or cannot be read. */
  error(line: number, message: string): void {
    this.errors.add(line, message);
  }

  /** Adds a remark: the line is unusual, and no result is lost. */
  remark(line: number, message: string): void {
    this.remarks.add(line, message);
  }

  /**
   * Accounts for a log line.
   * @param text - the line
   * @returns whether there is memory for it
   */
  keepsLog(text: string): boolean {
    const cost = text.length + LOG_COST;
    if (this.logged + cost > MOST_LOG) {
      this.dropped++;
      return false;
    }
    this.logged += cost;
    return true;
  }

  /**
   * Accounts for a result.
   * @param line - the result line
   * @param depth - number of tests around it
   * @throws KpkeysError ERR_INPUT_KIND if there is no memory for it
   */
  keepResult(line: string, depth: number): void {
    this.results += line.length + RESULT_COST + depth * LEVEL_COST;
    if (this.results <= MOST_RESULTS) return;
    throw new KpkeysError("ERR_INPUT_KIND", "the log has more results than can be kept", {
      expected: `at most ${MOST_RESULTS >> 20} MiB of results; split the log`,
    });
  }

  /**
   * Accounts for missing results.
   * @param count - their number
   * @returns whether the sum is an exact number
   */
  keepsMissing(count: number): boolean {
    const isExact = Number.isSafeInteger(this.crashed + count);
    if (isExact) this.crashed += count;
    return isExact;
  }

  /**
   * Adds a complete document.
   * @param tests - the tests of its outermost level
   * @param missing - number of missing results on that level
   */
  addDocument(tests: readonly KtapTest[], missing: number): void {
    this.documents++;
    this.missing += missing;
    for (const test of tests) this.tests.push(test);
  }

  /** The documents of the log together. */
  finish(): KtapDocument {
    const { tests, documents, missing, dropped } = this;
    if (dropped > 0) this.remark(1, `${dropped} log lines are not kept: the log is longer than ${MOST_LOG >> 20} MiB`);
    const counts = countTests(tests, missing);
    return { tests, documents, missing, counts, errors: this.errors.all(), remarks: this.remarks.all() };
  }
}

/** A list of findings. Those above its limit are only counted. */
class BoundedList {
  private readonly listed: KtapError[] = [];
  private last = 0;
  private more = 0;

  constructor(private readonly what: string) {}

  add(line: number, message: string): void {
    if (this.listed.length < MOST_LISTED) {
      this.listed.push({ line, message });
      return;
    }
    this.more++;
    this.last = line;
  }

  all(): KtapError[] {
    const { listed, last, more, what } = this;
    listed.sort((a, b) => a.line - b.line);
    return more === 0 ? listed : [...listed, { line: last, message: `${more} more ${what} are not listed` }];
  }
}
