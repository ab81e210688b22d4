/** A line of a KTAP document, by what the kernel's parser takes it for. */
export type KtapLine = { readonly number: number; readonly indent: number } & (
  | { readonly kind: "version"; readonly protocol: string; readonly version: number }
  | { readonly kind: "subtest"; readonly name: string }
  | { readonly kind: "plan"; readonly count: number }
  | {
      readonly kind: "result";
      readonly ok: boolean;
      readonly test: number;
      readonly name: string;
      readonly directive: string | undefined;
    }
  | { readonly kind: "log"; readonly text: string; readonly damage: string | undefined }
);

/** The lines of the document that a console log holds. */
export interface KtapLines {
  /** From the first version line to the end of the run, or of the log. None if there is no version line. */
  readonly lines: readonly KtapLine[];
  /** What KUnit's executor complained of before. */
  readonly complaints: readonly { readonly number: number; readonly text: string }[];
  /** Number of the last line of the log. */
  readonly last: number;
}

/** A version line ends a line of the console; what stands before it stands before every line. */
const START = /(?:KTAP version|TAP version) [0-9]+\s*$/;
/** What a kernel prints when it has nothing more to run. */
const END = /List of all partitions:|Kernel panic - not syncing: VFS:|reboot: System halted/;

const VERSION = /^(KTAP|TAP) version ([0-9]+)$/;
const SUBTEST = /^# Subtest: (.*)$/;
const PLAN = /^1\.\.([0-9]+)$/;
const RESULT = /^(ok|not ok) ([0-9]+)(?: -)?(?: ([^#]*?))?(?: #(?: (.*))?)?$/;
const LIKE_A_RESULT = /^(?:ok|not ok)(?: |$)/;

/**
 * Finds the KTAP document in a console log and tells its lines apart. Indentation is kept as a number only.
 * @param text - the log
 */
export function splitKtap(text: string): KtapLines {
  const all = text.split(/\r?\n/);
  if (all.at(-1) === "") all.pop();
  const start = all.findIndex((line) => START.test(line));
  const before = start < 0 ? all : all.slice(0, start);
  const complaints = before.flatMap((line, index) => {
    const at = line.indexOf("kunit executor: ");
    return at < 0 ? [] : [{ number: index + 1, text: line.slice(at).trimEnd() }];
  });
  const lines: KtapLine[] = [];
  if (start < 0) return { lines, complaints, last: all.length };

  const prefix = all[start]!.search(START);
  for (let index = start; index < all.length; index++) {
    const text = all[index]!.slice(prefix);
    if (text.trim() === "") continue;
    const line = classify(text, index + 1);
    // A test may log these words; the kernel prints them bare.
    if (line.kind === "log" && END.test(text) && !text.trimStart().startsWith("#")) break;
    lines.push(line);
  }
  return { lines, complaints, last: all.length };
}

function classify(text: string, number: number): KtapLine {
  const trimmed = text.trim();
  const place = { number, indent: text.length - text.trimStart().length };
  const version = VERSION.exec(trimmed);
  if (version !== null) return { ...place, kind: "version", protocol: version[1]!, version: Number(version[2]) };
  const subtest = SUBTEST.exec(trimmed);
  if (subtest !== null) return { ...place, kind: "subtest", name: subtest[1]! };
  const plan = PLAN.exec(trimmed);
  if (plan !== null) return { ...place, kind: "plan", count: Number(plan[1]) };
  const result = RESULT.exec(trimmed);
  if (result !== null) {
    const [, ok, test, name = "", directive] = result;
    return { ...place, kind: "result", ok: ok === "ok", test: Number(test), name: name.trim(), directive };
  }
  return { ...place, kind: "log", text: trimmed.replace(/^# ?/, ""), damage: damageOf(trimmed) };
}

/** What looks like a result and is none would be lost as a diagnostic line. */
function damageOf(text: string): string | undefined {
  if (!LIKE_A_RESULT.test(text)) return undefined;
  if (!/^(?:ok|not ok) [0-9]/.test(text)) return "a result without a number";
  return text.includes("#") ? "'#' in the name of a test" : "a damaged result";
}
