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
import { printReport } from "./print.js";

/** Most disagreements in the text report and in the JSON document. Both are bounded, so memory does not grow with the files. */
const TEXT_LIMIT = 20;
const JSON_LIMIT = 100_000;

/** The flags of `kpkeys conform`. */
export type ConformFlags = Pick<CommonFlags, "plugins" | "arch" | "json">;

/**
 * `kpkeys conform`: compares the model with architectural test vectors.
 * @param files - vector files, plain or gzip
 * @param flags - the command line's
 * @returns the exit status: 1 when a vector disagrees
 * @throws KpkeysError ERR_INPUT_MISSING, ERR_INPUT_KIND, ERR_INPUT_TRUNCATED, ERR_VECTOR_LINE, ERR_VECTOR_EMPTY
 */
export async function conform(files: readonly string[], flags: ConformFlags): Promise<number> {
  const start = performance.now();
  const judge = new Judge(await Promise.all(flags.plugins.filter(({ id }) => flags.arch.includes(id)).map(loadPlugin)));
  const limit = flags.json === true ? JSON_LIMIT : TEXT_LIMIT;
  const disagreements: ConformDisagreement[] = [];
  const counts: ConformCounts[] = [];
  const progress = await createProgress(files.length, { doing: "judging", items: "lines" });
  try {
    for (const [index, file] of files.entries()) {
      const onProgress = (share: number, lines: number): void => {
        progress.update(index, share, lines);
      };
      counts.push(await judgeFile(file, judge, disagreements, limit, onProgress));
    }
  } finally {
    progress.stop();
  }
  const total = totalOf(counts, secondsSince(start));
  printReport(flags.json, conformReportOf(total, disagreements), (style) =>
    conformTextOf(counts, total, disagreements, style),
  );
  return total.disagree > 0 ? EXIT.FAILED : EXIT.GOOD;
}

/** Judges the vectors of a file and adds those that disagree to `disagreements`, up to `limit` in all. */
async function judgeFile(
  file: string,
  judge: Judge,
  disagreements: ConformDisagreement[],
  limit: number,
  onProgress: (share: number, lines: number) => void,
): Promise<ConformCounts> {
  const counts = createCounts(file);
  const start = performance.now();
  await readVectors(
    await openTrace(file, VECTORS_TEXT),
    (vector, line) => {
      const verdict = judge.judge(vector);
      countVerdict(counts, verdict);
      if (verdict.disagreements.length === 0 || disagreements.length >= limit) return;
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
