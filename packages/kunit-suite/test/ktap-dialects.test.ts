import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readKtap } from "../src/index.js";
import type { KtapTest } from "../src/index.js";

/** A test and its result. */
interface Node {
  readonly name: string;
  readonly status: "passed" | "failed" | "skipped";
  readonly log: number;
  readonly tests: readonly Node[];
}

/** The form of a document. */
interface Dialect {
  readonly outer: string;
  /** The header of a nested document. */
  readonly head: "both" | "name" | "version" | "none";
  readonly indent: string;
  readonly dash: "" | "- ";
  readonly outerPlan: "first" | "last" | "none";
  readonly innerPlan: boolean;
  readonly skip: string;
}

/** The output of a console. */
interface Console {
  /** The prefix of a line, by its number. */
  readonly prefix: (line: number) => string;
  /** Whether kernel messages are between the lines and at their ends. */
  readonly isShared: boolean;
  readonly end: string;
}

const status = fc.constantFrom("passed", "failed", "skipped");
const name = fc.constantFrom("a", "write_user_pmd", "value 3", "x: y", "foo-bar", "ok", "1..2", "reboot: now", "é");

const { node } = fc.letrec<{ node: Node; leaf: Node; inner: Node }>((tie) => ({
  node: fc.oneof({ maxDepth: 3, depthIdentifier: "dialect" }, tie("leaf"), tie("inner")),
  leaf: fc.record({ name, status, log: fc.nat(2), tests: fc.constant([]) }),
  inner: fc
    .record({
      name,
      log: fc.nat(2),
      tests: fc.array(tie("node"), { minLength: 1, maxLength: 4, depthIdentifier: "dialect" }),
    })
    .map(({ tests, ...rest }) => ({ ...rest, tests, status: statusOf(tests) })),
}));

function statusOf(tests: readonly Node[]): Node["status"] {
  const has = (wanted: string): boolean => tests.some((each) => each.status === wanted);
  return has("failed") ? "failed" : has("passed") ? "passed" : "skipped";
}

/** Makes names unique, because the kernel's parser ends a subtest at the next result with its name. */
function named(tests: readonly Node[], above = ""): Node[] {
  return tests.map((each, index) => {
    const path = `${above}${index}`;
    return { ...each, name: `${each.name} ${path}`, tests: named(each.tests, `${path}.`) };
  });
}

const dialect: fc.Arbitrary<Dialect> = fc
  .record({
    outer: fc.constantFrom("KTAP version 1", "TAP version 13", "TAP version 14"),
    head: fc.constantFrom("both", "name", "version", "none"),
    indent: fc.constantFrom("    ", "  ", "\t", ""),
    dash: fc.constantFrom("", "- "),
    outerPlan: fc.constantFrom("first", "last", "none"),
    innerPlan: fc.boolean(),
    skip: fc.constantFrom("# SKIP", "# SKIP no such key", "# skip", "# Skipped: why"),
  })
  // Without indentation, names and plans delimit a subtest.
  .map((each) => (each.indent === "" ? { ...each, head: "both", innerPlan: true } : each));

const console_: fc.Arbitrary<Console> = fc.record({
  prefix: fc.constantFrom(
    (): string => "",
    (line: number): string => `[${(9.9 + line / 10).toFixed(6).padStart(12)}] `,
    (line: number): string => `<6>[${(99_999.5 + line).toFixed(6)}][${`T${line}`.padStart(5)}] `,
    (line: number): string => `2026-01-${String(1 + (line % 28)).padStart(2, "0")}T12:00:00.000Z host kernel: `,
    (line: number): string => `13:46:${String(line % 60).padStart(2, "0")} `,
  ),
  isShared: fc.boolean(),
  end: fc.constantFrom("\n", "\r\n", "\r\r\n"),
});

function documentOf(tests: readonly Node[], style: Dialect): string[] {
  const plan = `1..${tests.length}`;
  const results = tests.flatMap((test, index) => linesOf(test, index + 1, style));
  const { outerPlan } = style;
  return [style.outer, ...(outerPlan === "first" ? [plan] : []), ...results, ...(outerPlan === "last" ? [plan] : [])];
}

function linesOf(test: Node, number: number, style: Dialect): string[] {
  const { head, indent, dash, innerPlan } = style;
  const results = test.tests.flatMap((each, index) => linesOf(each, index + 1, style));
  const nested = [
    ...(head === "both" || head === "version" ? ["KTAP version 1"] : []),
    ...(head === "both" || head === "name" ? [`# Subtest: ${test.name}`] : []),
    ...(innerPlan ? [`1..${test.tests.length}`] : []),
    ...results,
  ];
  const log = Array.from({ length: test.log }, (_, line) => `# ${test.name}: line ${line}`);
  const ok = test.status === "failed" ? "not ok" : "ok";
  const skip = test.status === "skipped" ? ` ${style.skip}` : "";
  return [
    ...(test.tests.length === 0 ? [] : nested.map((line) => indent + line)),
    ...log,
    `${ok} ${number} ${dash}${test.name}${skip}`,
  ];
}

/** A log with documents. */
function logOf(documents: readonly string[][], { prefix, isShared, end }: Console): string {
  const lines = documents.flat().flatMap((line, index) => {
    const message = "[   12.345678] usb 1-1: new high-speed USB device";
    const own = prefix(index) + line;
    if (!isShared) return [own];
    if (index % 5 === 1) return [own, "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID=x RESULT=pass>"];
    if (index % 5 === 2) return [own, message];
    return index % 5 === 3 ? [own + message] : [own];
  });
  return ["Booting Linux on physical CPU 0x0", ...lines].join(end);
}

type Outline = readonly [name: string, status: string, ...inner: Outline[]];
const outline = ({ name: own, status: result, tests }: Node | KtapTest): Outline => [
  own,
  result,
  ...tests.map(outline),
];

describe("a tree of tests", () => {
  it("is read in every form, after every prefix, between other lines", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(node, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
        dialect,
        console_,
        (forest, style, terminal) => {
          const all = forest.map((tests) => named(tests));
          const { tests, errors, documents } = readKtap(
            logOf(
              all.map((each) => documentOf(each, style)),
              terminal,
            ),
          );
          expect(errors).toEqual([]);
          expect(tests.map(outline)).toEqual(all.flat().map(outline));
          expect(documents).toBe(all.length);
        },
      ),
      { numRuns: 200 },
    );
  });
});
