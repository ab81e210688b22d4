import type { Explanation, Reason } from "@kpkeys/explain";
import type { Style } from "./style.js";
import { wrapped } from "./wrap.js";

/** What `kpkeys explain --json` prints. */
export interface ExplainReport extends Explanation {
  /** The architecture's id. */
  readonly arch: string;
  /** The log that was read, if one was. */
  readonly file?: string;
  /** Numbers of the log's lines that the inputs are from, from 1 on; none without a log. */
  readonly used: readonly number[];
  /** How many fault reports follow in the log; the first is explained. */
  readonly otherReports: number;
}

/** Columns of a line. */
const WIDTH = 100;
/** Columns of the topics. */
const MARGIN = 12;

/**
 * An explanation as text: a topic at the left, its reasons at the right, the sources in brackets; the verdict last.
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
  const agreement = verdict.agrees ? "" : " But that is not what was reported.";
  lines.push("", ...wrapped(`${arch}: ${verdict.text}.${agreement}`.split(" "), WIDTH).map((line) => colour(line)));
  return `${lines.join("\n")}\n`;
}

/** Which lines of which log were used, and what else is there. */
function sourceOf({ file, used, otherReports }: ExplainReport): string[] {
  if (file === undefined) return [];
  const others =
    otherReports === 0
      ? []
      : [`The log has ${otherReports} more fault ${otherReports === 1 ? "report" : "reports"}: this is the first.`];
  return [`${file}: used ${used.length === 1 ? "line" : "lines"} ${used.join(", ")}`, ...others];
}

/** The words of a reason, and as one more its source, unless the one before it in the same topic has the same. */
function wordsOf({ text, source }: Reason, before: Reason | undefined): string[] {
  const words = text.split(" ");
  return source === undefined || source === before?.source ? words : [...words, `[${source}]`];
}
