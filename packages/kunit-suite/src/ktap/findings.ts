import { KpkeysError } from "@kpkeys/core";
import { countTests } from "./types.js";
import type { KtapDocument, KtapError, KtapTest } from "./types.js";

/** Takes what a document reader finds. */
export interface KtapSink {
  /** Something is wrong: results are missing, contradict each other or cannot be read. */
  wrong(line: number, message: string): void;
  /** Something is unusual. */
  remark(line: number, message: string): void;
  /**
   * Asks whether a log line may be kept.
   * @param text - the line
   */
  keepsLog(text: string): boolean;
  /**
   * Notes that a result is kept.
   * @param line - the result line
   * @param depth - how many tests it is nested in
   */
  keepResult(line: string, depth: number): void;
  /**
   * Asks whether missing results can be counted.
   * @param count - how many are missing
   */
  keepsMissing(count: number): boolean;
  /**
   * Takes a document that is complete.
   * @param tests - of its outermost level
   * @param missing - how many results its plan announces that are missing
   */
  finish(tests: readonly KtapTest[], missing: number): void;
}

/** How many errors and remarks are listed each. */
const MOST_LISTED = 1000;
/** Memory for results and for log lines: characters, and what a line or a level takes beside. */
const MOST_RESULTS = 64 << 20;
const MOST_LOG = 32 << 20;
const RESULT_COST = 64;
const LEVEL_COST = 16;
const LOG_COST = 32;

/**
 * Collects documents and what is said about them, in bounded memory.
 * @returns where they go, and what they make together
 */
export function createFindings(): { readonly sink: KtapSink; finish(): KtapDocument } {
  const tests: KtapTest[] = [];
  const errors = createList("errors");
  const remarks = createList("remarks");
  let documents = 0;
  let missing = 0;
  let crashed = 0;
  let results = 0;
  let logged = 0;
  let dropped = 0;

  return {
    sink: {
      wrong: errors.add,
      remark: remarks.add,
      keepsLog(text) {
        const cost = text.length + LOG_COST;
        if (logged + cost > MOST_LOG) {
          dropped++;
          return false;
        }
        logged += cost;
        return true;
      },
      keepResult(line, depth) {
        results += line.length + RESULT_COST + depth * LEVEL_COST;
        if (results > MOST_RESULTS) {
          throw new KpkeysError("ERR_INPUT_KIND", "the log has more results than can be kept", {
            expected: `${MOST_RESULTS >> 20} MiB of results at most; split the log`,
          });
        }
      },
      keepsMissing(count) {
        const isExact = Number.isSafeInteger(crashed + count);
        if (isExact) crashed += count;
        return isExact;
      },
      finish(more, lost) {
        documents++;
        missing += lost;
        for (const test of more) tests.push(test);
      },
    },
    finish() {
      if (dropped > 0)
        remarks.add(1, `${dropped} log lines are not kept: the log is longer than ${MOST_LOG >> 20} MiB`);
      return {
        tests,
        documents,
        missing,
        counts: countTests(tests, missing),
        errors: errors.all(),
        remarks: remarks.all(),
      };
    },
  };
}

/** A list that names what it holds by line, and counts what is too much to be named. */
function createList(what: string): {
  readonly add: (line: number, message: string) => void;
  readonly all: () => KtapError[];
} {
  const listed: KtapError[] = [];
  let last = 0;
  let more = 0;
  return {
    add(line, message) {
      if (listed.length < MOST_LISTED) {
        listed.push({ line, message });
        return;
      }
      more++;
      last = line;
    },
    all() {
      listed.sort((a, b) => a.line - b.line);
      return more === 0 ? listed : [...listed, { line: last, message: `${more} more ${what} are not listed` }];
    },
  };
}
