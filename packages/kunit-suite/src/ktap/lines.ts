/** A line of a KTAP document, by its meaning. */
export type KtapLine = {
  /** Its number in the log, 1 being the first. */
  readonly number: number;
  /** How far it is indented, in columns; a tab has four. */
  readonly indent: number;
  /** The line without indentation. */
  readonly text: string;
  /** What is wrong with it, where something is. */
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
/** A plan line with its place. */
export type PlanLine = Extract<KtapLine, { kind: "plan" }>;
/** A result line with its place. */
export type ResultLine = Extract<KtapLine, { kind: "result" }>;

/** A plan line. */
export interface Plan {
  /** How many results it announces; undefined for a number that no log can hold. */
  readonly count: number | undefined;
  /** The directive of `1..0 # SKIP reason`. */
  readonly skip: string | undefined;
  /** Whether nothing but a comment follows the numbers. */
  readonly whole: boolean;
}

/** A result line. */
export interface Result {
  /** What it begins with. */
  readonly ok: boolean;
  /** Its number; undefined if it has none, or none that can be read. */
  readonly test: number | undefined;
  /** The description. */
  readonly name: string;
  /** What follows ` # `. */
  readonly directive: string | undefined;
  /** Whether the directive is SKIP. */
  readonly skipped: boolean;
  /** Whether it has neither number nor dash, as prose may begin. */
  readonly loose: boolean;
}

const VERSION = /^(KTAP|TAP) version ([0-9]+)$/;
const SUBTEST = /^# Subtest:\s*(.*)$/;
const PLAN = /^1\.\.([0-9]+)(.*)$/;
/** A plan that has lost its number. */
const CUT_PLAN = "1..";
const PLAN_SKIP = /^\s*#\s*(skip.*)$/i;
/** TAP leaves the number out at will; then a dash must show that this is a result. */
const RESULT = /^(ok|not ok)(?:\s+([0-9]+)(?=[\s:#-]|\.(?![0-9])|$)|(?=\s+-\s)|(?<=^not ok)$)(.*)$/;
/** A result of TAP without number and dash. */
const LOOSE_RESULT = /^(ok|not ok)(?:\s+(?![0-9])(.*))?$/;
const LIKE_A_RESULT = /^(?:not ok\b|ok\s+[0-9])/;
/** ` # ` begins a directive or a remark; a known directive may follow `#` directly. */
const DIRECTIVE = /^#(?:\s|$|(?:skip|todo|xfail|timeout|error)\b)/i;
const BAIL_OUT = /^Bail out!\s*(.*)$/;
const TAB_COLUMNS = 4;

/** A line and where it is. */
type Place = Pick<KtapLine, "number" | "indent" | "text">;

/** What reads the lines that mean more than log, by their first character; undefined for a line that is log. */
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
 * The meaning of a line of a document, by the grammar of the kernel's parser (tools/testing/kunit/kunit_parser.py). More than it,
 * this takes what TAP allows: directives in lower case, a result without a number, `1..0 # SKIP`, `Bail out!`.
 * @param content - the line without what a console prints before it
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
  return LIKE_A_RESULT.test(place.text) ? { ...place, kind: "log", damage: "a damaged result" } : undefined;
}

function readBailOut(place: Place): KtapLine | undefined {
  const reason = BAIL_OUT.exec(place.text)?.[1];
  return reason === undefined ? undefined : { ...place, kind: "bail", reason };
}

/** Every field by name: copies of objects would take most of the time. */
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

/** @returns the number, or undefined when it is too large to be kept whole */
function wholeOf(digits: string): number | undefined {
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : undefined;
}

function damageOf(digits: string): string | undefined {
  return wholeOf(digits) === undefined ? "a number that no log can hold" : undefined;
}

/** Takes name and directive out of what follows the number of a result. */
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
  // The kernel's parser takes SKIP after other remarks too.
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
