import { printable } from "@kpkeys/core";
import type { KtapCounts, KtapDocument, KtapError, KtapTest } from "@kpkeys/kunit-suite";
import type { Style } from "./style.js";

/** The document of `kpkeys ktap --json`. */
export interface KtapReport extends KtapCounts {
  /** The file that was read. */
  readonly file: string;
  /** The number of KTAP documents in it. */
  readonly documents: number;
  /** Errors by line: results that are missing, contradictory or unreadable. */
  readonly errors: readonly KtapError[];
  /** Remarks by line: deviations from KTAP that lose no result. */
  readonly remarks: readonly KtapError[];
  /** The tests of all documents. */
  readonly tests: readonly KtapTest[];
}

/**
 * Makes the report of a log.
 * @param file - the file name
 * @param document - the parsed documents
 */
export function ktapReportOf(file: string, { documents, counts, errors, remarks, tests }: KtapDocument): KtapReport {
  return { file, documents, ...counts, errors, remarks, tests };
}

/**
 * Whether no result is missing or unreadable, and no test failed.
 * @param document - the parsed documents
 */
export function isGoodKtap({ counts, errors }: KtapDocument): boolean {
  return errors.length === 0 && counts.failed === 0 && counts.crashed === 0;
}

/**
 * The summary of a log: skipped tests with their reasons, failed tests with their log lines, errors and remarks with their lines, and the
 * counts.
 * @param file - the file name
 * @param document - the parsed documents
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

/** Skipped tests that have a reason. */
function skippedLines({ name, status, directive = "", tests }: KtapTest, above: readonly string[]): string[] {
  const path = [...above, printable(name)];
  const reason = status === "skipped" ? directive.replace(/^(?:.* # )?\S+\s*/s, "") : "";
  const own = reason === "" ? [] : [`skipped ${path.join(".")}: ${printable(reason)}`];
  return [...own, ...tests.flatMap((test) => skippedLines(test, path))];
}

/** The innermost failed tests, and tests with missing results. */
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
