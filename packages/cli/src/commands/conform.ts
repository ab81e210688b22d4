import { Judge, readVectors, VECTORS_TEXT } from "@kpkeys/explain";
import { openTrace } from "@kpkeys/workloads/node";
import { EXIT } from "../errors.js";
import type { CommonFlags } from "../options.js";
import { loadPlugin } from "../plugins/load.js";
import { createProgress } from "../progress.js";
import {
  conformReportOf,
  conformTextOf,
  countVerdict,
  createCounts,
  disagreementOf,
  totalOf,
} from "../report/conform.js";
import type { ConformCounts, ConformDisagreement } from "../report/conform.js";
import { styleFor } from "../report/style.js";
import { print, printJson } from "./print.js";

/** How many disagreements a text shows, and how many a document holds: a bound, so that memory does not grow with the files. */
const SHOWN = 20;
const KEPT = 100_000;

/** The flags of `kpkeys conform`. */
export type ConformFlags = Pick<CommonFlags, "plugins" | "arch" | "json">;

/**
 * `kpkeys conform`: judges architectural vectors.
 * @param files - vector files, plain or gzip
 * @param flags - the command line's
 * @returns the exit status
 * @throws KpkeysError for a file that cannot be read and for a damaged line
 */
export async function conform(files: readonly string[], flags: ConformFlags): Promise<number> {
  const start = performance.now();
  const judge = new Judge(await Promise.all(flags.plugins.filter(({ id }) => flags.arch.includes(id)).map(loadPlugin)));
  const asJson = flags.json === true;
  const disagreements: ConformDisagreement[] = [];
  const counts: ConformCounts[] = [];
  const progress = await createProgress(files.length, { doing: "judging", items: "lines" });
  try {
    for (const [index, file] of files.entries()) {
      const onProgress = (share: number, lines: number): void => {
        progress.update(index, share, lines);
      };
      counts.push(await judgeFile(file, judge, disagreements, asJson ? KEPT : SHOWN, onProgress));
    }
  } finally {
    progress.stop();
  }
  const total = totalOf(counts, secondsSince(start));
  if (asJson) printJson(conformReportOf(total, disagreements));
  else print(conformTextOf(counts, total, disagreements, styleFor(process.stdout)));
  return total.disagree > 0 ? EXIT.FAILED : EXIT.GOOD;
}

/** Judges the lines of a file; `disagreements` takes those that disagree until it holds `most`. */
async function judgeFile(
  file: string,
  judge: Judge,
  disagreements: ConformDisagreement[],
  most: number,
  onProgress: (share: number, lines: number) => void,
): Promise<ConformCounts> {
  const counts = createCounts(file);
  const start = performance.now();
  await readVectors(
    await openTrace(file, VECTORS_TEXT),
    (vector, line) => {
      const verdict = judge.judge(vector);
      countVerdict(counts, verdict);
      if (verdict.disagreements.length === 0 || disagreements.length >= most) return;
      disagreements.push(disagreementOf({ id: vector["id"] as string, file, line }, verdict, judge.walk(vector)));
    },
    (read, size) => {
      onProgress(size === 0 ? 0 : read / size, counts.agree + counts.disagree);
    },
  );
  counts.seconds = secondsSince(start);
  return counts;
}

function secondsSince(start: number): number {
  return (performance.now() - start) / 1000;
}
