import { printable } from "@kpkeys/core";
import type { KtapCounts, KtapDocument, KtapError, KtapTest } from "@kpkeys/kunit-suite";
import type { Style } from "./style.js";

/** What `kpkeys ktap --json` prints. */
export interface KtapReport extends KtapCounts {
  /** The file that was read. */
  readonly file: string;
  /** How many documents it holds. */
  readonly documents: number;
  /** By line, what is wrong: results are missing, contradict each other or cannot be read. */
  readonly errors: readonly KtapError[];
  /** By line, what is unusual and loses no result. */
  readonly remarks: readonly KtapError[];
  /** The tests of all documents. */
  readonly tests: readonly KtapTest[];
}

/**
 * Makes the report of a log.
 * @param file - where it was read from
 * @param document - as it was read
 */
export function ktapReportOf(file: string, { documents, counts, errors, remarks, tests }: KtapDocument): KtapReport {
  return { file, documents, ...counts, errors, remarks, tests };
}

/**
 * Whether all is well: no result is missing or unreadable, and no test failed.
 * @param document - as it was read
 */
export function isGoodKtap({ counts, errors }: KtapDocument): boolean {
  return errors.length === 0 && counts.failed === 0 && counts.crashed === 0;
}

/**
 * The summary of a log: each test that was skipped with its reason, each that failed with what it logged, each error and remark with its line, and the counts.
 * @param file - where it was read from
 * @param document - as it was read
 * @param style - the colours
 */
export function ktapTextOf(file: string, { counts, errors, remarks, tests }: KtapDocument, style: Style): string {
  const { passed, failed, crashed, skipped, empty } = counts;
  // Plain digits, as kunit.py prints them: scripts read this line.
  const parts = [
    `${passed} passed`,
    failed > 0 ? style.red(`${failed} failed`) : "0 failed",
    `${skipped} skipped`,
    crashed > 0 ? style.red(`${crashed} crashed`) : "0 crashed",
    ...(empty > 0 ? [`${empty} without tests`] : []),
  ];
  const total = passed + failed + crashed + skipped + empty;
  const where = printable(file);
  const lines = [
    ...tests.flatMap((test) => skippedLines(test, [])),
    ...tests.flatMap((test) => failedLines(test, [], style)),
    ...errors.map(({ line, message }) => `${where}:${line}: ${style.red(`error: ${printable(message)}`)}`),
    ...remarks.map(({ line, message }) => `${where}:${line}: ${printable(message)}`),
    `${number(total, "test")}: ${parts.join(", ")}; ${number(errors.length, "error")}`,
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function number(value: number, noun: string): string {
  return `${value} ${noun}${value === 1 ? "" : "s"}`;
}

/** The tests that were skipped for a reason that they give. */
function skippedLines({ name, status, directive = "", tests }: KtapTest, above: readonly string[]): string[] {
  const path = [...above, printable(name)];
  const reason = status === "skipped" ? directive.replace(/^(?:.* # )?\S+\s*/s, "") : "";
  const own = reason === "" ? [] : [`skipped ${path.join(".")}: ${printable(reason)}`];
  return [...own, ...tests.flatMap((test) => skippedLines(test, path))];
}

/** The innermost tests that failed, and those of which results are missing. */
function failedLines(
  { name, status, log, tests, missing }: KtapTest,
  above: readonly string[],
  style: Style,
): string[] {
  const path = [...above, printable(name)];
  const inner = tests.flatMap((test) => failedLines(test, path, style));
  if (inner.length > 0 && missing === undefined) return inner;
  if (status !== "failed" && status !== "crashed") return inner;
  return [...inner, `${style.red(status)} ${path.join(".")}`, ...log.map((line) => `  ${printable(line)}`)];
}
