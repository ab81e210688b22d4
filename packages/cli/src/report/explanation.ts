import type { Explanation, Reason } from "@kpkeys/explain";
import type { Style } from "./style.js";
import { wrapped } from "./wrap.js";

/** The document of `kpkeys explain --json`. */
export interface ExplainReport extends Explanation {
  /** The architecture's id. */
  readonly arch: string;
  /** The log, if one was read. */
  readonly file?: string;
  /** Numbers of the lines of the log that the inputs are from, counted from 1; empty without a log. */
  readonly used: readonly number[];
  /** The number of fault reports in the log besides the explained one. */
  readonly otherReports: number;
}

/** Columns of a line. */
const WIDTH = 100;
/** Columns of the topics. */
const MARGIN = 12;

/**
 * An explanation as text: topics on the left, reasons on the right, sources in brackets, the verdict last.
 * @param report - the explanation
 * @param style - its colours
 */
export function explanationTextOf(report: ExplainReport, style: Style): string {
  const { arch, reasons, verdict } = report;
  const lines = [arch, ...sourceOf(report).flatMap((text) => wrapped(text.split(" "), WIDTH)), ""];
  reasons.forEach((reason, index) => {
    const before = reasons[index - 1];
    const isFirst = before?.topic !== reason.topic;
    const [first, ...rest] = wrapped(wordsOf(reason, isFirst ? undefined : before), WIDTH - MARGIN);
    const topic = (isFirst ? reason.topic : "").padEnd(MARGIN);
    lines.push(style.bold(topic) + first!);
    lines.push(...rest.map((line) => " ".repeat(MARGIN) + line));
  });
  const colour = verdict.agrees ? style.green : style.red;
  const agreement = verdict.agrees ? "" : " The report disagrees.";
  lines.push("", ...wrapped(`${arch}: ${verdict.text}.${agreement}`.split(" "), WIDTH).map((line) => colour(line)));
  return `${lines.join("\n")}\n`;
}

/** The lines of the log that were used, and the number of other reports. */
function sourceOf({ file, used, otherReports }: ExplainReport): string[] {
  if (file === undefined) return [];
  const others =
    otherReports === 0
      ? []
      : [
          `The log has ${otherReports} more fault ${otherReports === 1 ? "report" : "reports"}; the one above is explained.`,
        ];
  return [`${file}: used ${used.length === 1 ? "line" : "lines"} ${used.join(", ")}`, ...others];
}

/** The words of a reason and its source, unless the previous reason of the topic has the same source. */
function wordsOf({ text, source }: Reason, before: Reason | undefined): string[] {
  const words = text.split(" ");
  return source === undefined || source === before?.source ? words : [...words, `[${source}]`];
}
