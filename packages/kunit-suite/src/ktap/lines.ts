/** A classified line of a KTAP document. */
export type KtapLine = {
  /** Its number in the log, 1 being the first. */
  readonly number: number;
  /** Its indentation in columns; a tab counts four. */
  readonly indent: number;
  /** The line without indentation. */
  readonly text: string;
  /** The error in it, if there is one. */
  readonly damage?: string | undefined;
} & (
  | { readonly kind: "version"; readonly protocol: "KTAP" | "TAP"; readonly version: number }
  | { readonly kind: "subtest"; readonly name: string }
  | ({ readonly kind: "plan" } & Plan)
  | ({ readonly kind: "result" } & Result)
  | { readonly kind: "bail"; readonly reason: string }
  | { readonly kind: "log" }
);

/** A version line. */
export type VersionLine = Extract<KtapLine, { kind: "version" }>;
/** A plan line. */
export type PlanLine = Extract<KtapLine, { kind: "plan" }>;
/** A result line. */
export type ResultLine = Extract<KtapLine, { kind: "result" }>;

/** The fields of a plan line. */
export interface Plan {
  /** Number of planned results; undefined if the number is too large. */
  readonly count: number | undefined;
  /** The directive of a line such as `1..0 # SKIP reason`. */
  readonly skip: string | undefined;
  /** Whether only a comment follows the numbers. */
  readonly whole: boolean;
}

/** The fields of a result line. */
export interface Result {
  /** Whether it begins with `ok` instead of `not ok`. */
  readonly ok: boolean;
  /** Its number; undefined if it has none, or one that is too large. */
  readonly test: number | undefined;
  /** The description. */
  readonly name: string;
  /** The text after ` # `. */
  readonly directive: string | undefined;
  /** Whether the directive is SKIP. */
  readonly skipped: boolean;
  /** Whether it has neither number nor dash, so that it may be prose. */
  readonly loose: boolean;
}

const VERSION = /^(KTAP|TAP) version ([0-9]+)$/;
const SUBTEST = /^# Subtest:\s*(.*)$/;
const PLAN = /^1\.\.([0-9]+)(.*)$/;
/** A plan without its number. */
const CUT_PLAN = "1..";
const PLAN_SKIP = /^\s*#\s*(skip.*)$/i;
/** A result. TAP allows one without a number, with a dash. */
const RESULT = /^(ok|not ok)(?:\s+([0-9]+)(?=[\s:#-]|\.(?![0-9])|$)|(?=\s+-\s)|(?<=^not ok)$)(.*)$/;
/** A result of TAP without number and dash. */
const LOOSE_RESULT = /^(ok|not ok)(?:\s+(?![0-9])(.*))?$/;
const LIKE_A_RESULT = /^(?:not ok\b|ok\s+[0-9])/;
/** ` # ` begins a directive or a remark; a known directive may follow `#` directly. */
const DIRECTIVE = /^#(?:\s|$|(?:skip|todo|xfail|timeout|error)\b)/i;
const BAIL_OUT = /^Bail out!\s*(.*)$/;
const TAB_COLUMNS = 4;

/** A line and its position. */
type Place = Pick<KtapLine, "number" | "indent" | "text">;

/** The readers of lines that are not log, by the first character. A reader returns undefined for a log line. */
const READERS: ReadonlyMap<string | undefined, (place: Place) => KtapLine | undefined> = new Map([
  ["K", readVersion],
  ["T", readVersion],
  ["#", readSubtest],
  ["1", readPlan],
  ["n", readResult],
  ["o", readResult],
  ["B", readBailOut],
]);

/**
 * Classifies a line of a document by the grammar of the kernel's parser (tools/testing/kunit/kunit_parser.py). In addition it
 * accepts forms of TAP: directives in lower case, a result without a number, `1..0 # SKIP`, `Bail out!`.
 * @param content - the line without the prefix of the console
 * @param number - its number in the log
 */
export function classify(content: string, number: number): KtapLine {
  const text = content.trim();
  const place = { number, indent: columnsOf(content), text };
  return READERS.get(text[0])?.(place) ?? { ...place, kind: "log" };
}

function readVersion(place: Place): KtapLine | undefined {
  const [, protocol, version] = VERSION.exec(place.text) ?? [];
  if (protocol === undefined) return undefined;
  return { ...place, kind: "version", protocol: protocol as "KTAP" | "TAP", version: Number(version) };
}

function readSubtest(place: Place): KtapLine | undefined {
  const name = SUBTEST.exec(place.text)?.[1];
  return name === undefined ? undefined : { ...place, kind: "subtest", name };
}

function readPlan(place: Place): KtapLine | undefined {
  if (place.text === CUT_PLAN) return { ...place, kind: "log", damage: "a plan without a number" };
  const [, digits, rest] = PLAN.exec(place.text) ?? [];
  if (digits === undefined) return undefined;
  const whole = /^\s*(?:#|$)/.test(rest!);
  const skip = PLAN_SKIP.exec(rest!)?.[1];
  return { ...place, kind: "plan", count: wholeOf(digits), skip, whole, damage: damageOf(digits) };
}

function readResult(place: Place): KtapLine | undefined {
  const [, ok, test, rest] = RESULT.exec(place.text) ?? [];
  if (ok !== undefined) return resultOf(place, ok, test, rest!, false);
  const [, word, name = ""] = LOOSE_RESULT.exec(place.text) ?? [];
  if (word !== undefined) return resultOf(place, word, undefined, ` ${name}`, true);
  return LIKE_A_RESULT.test(place.text) ? { ...place, kind: "log", damage: "a malformed result" } : undefined;
}

function readBailOut(place: Place): KtapLine | undefined {
  const reason = BAIL_OUT.exec(place.text)?.[1];
  return reason === undefined ? undefined : { ...place, kind: "bail", reason };
}

/** Lists every field, because object spreads would take most of the reader's time. */
function resultOf(
  { number, indent, text }: Place,
  word: string,
  digits: string | undefined,
  rest: string,
  loose: boolean,
): ResultLine {
  const { name, directive, skipped } = describe(rest);
  return {
    number,
    indent,
    text,
    kind: "result",
    ok: word === "ok",
    test: digits === undefined ? undefined : wholeOf(digits),
    name,
    directive,
    skipped,
    loose,
    damage: digits === undefined ? undefined : damageOf(digits),
  };
}

/** @returns the number, or undefined if it is not a safe integer */
function wholeOf(digits: string): number | undefined {
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : undefined;
}

function damageOf(digits: string): string | undefined {
  return wholeOf(digits) === undefined ? "a number that is too large" : undefined;
}

/** Splits the text after the number of a result into name and directive. */
function describe(rest: string): Pick<Result, "name" | "directive" | "skipped"> {
  let hash = rest.indexOf("#");
  while (hash > 0 && !(/\s/.test(rest[hash - 1]!) && DIRECTIVE.test(rest.slice(hash, hash + 9)))) {
    const next = rest.indexOf("#", hash + 1);
    hash = next < 0 ? rest.length : next;
    if (next < 0) break;
  }
  const end = hash < 0 ? rest.length : hash;
  const name = rest
    .slice(0, end)
    .replace(/^[:.]?\s*(?:-(?=\s|$)\s*)?/, "")
    .trimEnd();
  const directive = rest.slice(end + 1).trim();
  if (directive === "") return { name, directive: undefined, skipped: false };
  // The kernel's parser also accepts SKIP after another remark.
  return { name, directive, skipped: /^skip/i.test(directive) || directive.includes(" # SKIP") };
}

function columnsOf(text: string): number {
  let columns = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === " ") columns++;
    else if (text[at] === "\t") columns += TAB_COLUMNS;
    else break;
  }
  return columns;
}
