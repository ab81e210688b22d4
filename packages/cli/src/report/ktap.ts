import type { KtapCounts, KtapDocument, KtapError, KtapTest } from "@kpkeys/kunit-suite";
import { count, counted } from "./style.js";
import type { Style } from "./style.js";

/** What `kpkeys ktap --json` prints. */
export interface KtapReport extends KtapCounts {
  /** The file that was read. */
  readonly file: string;
  /** All that is wrong with the document, by line. */
  readonly errors: readonly KtapError[];
  /** Its tests. */
  readonly tests: readonly KtapTest[];
}

/**
 * Makes the report of a document.
 * @param file - where it was read from
 * @param document - as it was read
 */
export function ktapReportOf(file: string, { counts, errors, tests }: KtapDocument): KtapReport {
  return { file, ...counts, errors, tests };
}

/**
 * Whether all is well: nothing is wrong with the document, and no test failed.
 * @param document - as it was read
 */
export function isGoodKtap({ counts, errors }: KtapDocument): boolean {
  return errors.length === 0 && counts.failed === 0 && counts.crashed === 0;
}

/**
 * The summary of a document: each test that failed with what it logged, each error with its line, and the counts.
 * @param file - where it was read from
 * @param document - as it was read
 * @param style - the colours
 */
export function ktapTextOf(file: string, { counts, errors, tests }: KtapDocument, style: Style): string {
  const { passed, failed, crashed, skipped } = counts;
  const parts = [
    `${count(passed)} passed`,
    failed > 0 ? style.red(`${count(failed)} failed`) : "0 failed",
    crashed > 0 ? style.red(`${count(crashed)} crashed`) : "0 crashed",
    `${count(skipped)} skipped`,
  ];
  const lines = [
    ...tests.flatMap((test) => failedLines(test, [], style)),
    ...errors.map(({ line, message }) => `${file}:${line}: ${style.red(message)}`),
    `${counted(passed + failed + crashed + skipped, "test")}: ${parts.join(", ")}; ${counted(errors.length, "error")}`,
  ];
  return lines.map((line) => `${line}\n`).join("");
}

/** The innermost tests that failed, and those of which results are missing. */
function failedLines(
  { name, status, log, tests, missing }: KtapTest,
  above: readonly string[],
  style: Style,
): string[] {
  const path = [...above, name];
  const inner = tests.flatMap((test) => failedLines(test, path, style));
  if (inner.length > 0 && missing === undefined) return inner;
  if (status !== "failed" && status !== "crashed") return inner;
  return [...inner, `${style.red(status)} ${path.join(".")}`, ...log.map((line) => `  ${line}`)];
}
