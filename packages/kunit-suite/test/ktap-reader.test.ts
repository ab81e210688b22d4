import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runs } from "../../../vitest.runs.js";
import { readKtap, writeKtap } from "../src/index.js";
import type { KtapTest } from "../src/index.js";
import { statusOfAll } from "../src/ktap/types.js";
import { plainLine, plainName } from "../src/ktap/writer.js";
import { parseKtap } from "./parse-ktap.js";

/** Texts that have a meaning in a document, and random ones. */
const text = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12 }),
  fc.string({ minLength: 1, maxLength: 8, unit: "binary" }),
  fc.constantFrom(
    "a",
    "b",
    "ok 1 a",
    "not ok 2 b",
    "1..3",
    "KTAP version 1",
    "# Subtest: x",
    "Subtest: x",
    "a # SKIP b",
  ),
  fc.constantFrom("two\nlines", "tab\tand space ", "- dash", "#", "##", "  ", "reboot: System halted", "Subtest:", "-"),
);
const directive = fc.option(fc.constantFrom("TIMEOUT", "XFAIL why", "remark # and more"), { nil: undefined });

const { test: tree } = fc.letrec<{ test: KtapTest; leaf: KtapTest; inner: KtapTest }>((tie) => ({
  test: fc.oneof({ maxDepth: 3, depthIdentifier: "ktap" }, tie("leaf"), tie("inner")),
  leaf: fc
    .record({
      name: text,
      status: fc.constantFrom("passed", "failed", "skipped"),
      directive,
      log: fc.array(text, { maxLength: 3 }),
    })
    .map(({ name, status, directive: remark, log }): KtapTest => {
      const text = status === "skipped" ? `SKIP ${remark ?? ""}`.trim() : remark;
      return { name, status, ...(text !== undefined && { directive: text }), log, tests: [] };
    }),
  inner: fc
    .record({
      name: text,
      log: fc.array(text, { maxLength: 2 }),
      tests: fc.array(tie("test"), { minLength: 1, maxLength: 4, depthIdentifier: "ktap" }),
    })
    .map(({ name, log, tests }): KtapTest => {
      const status = statusOfAll(tests);
      return { name, status, ...(status === "skipped" && { directive: "SKIP" }), log, tests };
    }),
}));

/** The tree in the form that a document can contain. */
function plain({ name, log, tests, ...rest }: KtapTest): KtapTest {
  return { ...rest, name: plainName(name), log: log.map(plainLine), tests: tests.map(plain) };
}

const trees = fc.array(tree, { minLength: 1, maxLength: 4 });

describe("a document of the writer", () => {
  it("is read back unchanged, for any names and logs", () => {
    fc.assert(
      fc.property(trees, (tests) => {
        const { tests: read, errors, missing } = readKtap(writeKtap(tests));
        expect(errors).toEqual([]);
        expect(missing).toBe(0);
        expect(read).toEqual(tests.map(plain));
      }),
      { numRuns: runs(400) },
    );
  });

  it("is read the same with console prefixes, CRLF, and text before it and after the end of the run", () => {
    fc.assert(
      fc.property(
        trees,
        fc.constantFrom("[    1.234567] ", "<6>[   12.000001][    T1] ", "        "),
        (tests, prefix) => {
          const document = writeKtap(tests);
          const lines = document.trimEnd().split("\n");
          const log = [
            "Booting Linux on physical CPU 0x0",
            ...lines.map((line) => prefix + line),
            `${prefix}reboot: System halted`,
            `${prefix}not ok 99 never`,
          ];
          expect(readKtap(log.join("\r\n"))).toEqual(readKtap(document));
        },
      ),
    );
  });

  it("keeps names and lines that need no change", () => {
    expect([plainName("a\0\u001b[Kb"), plainLine("a\0")]).toEqual(["a__[Kb", "a_"]);
    for (const name of ["write_user_pmd", "Hardened pgtables using kpkeys", "ok 1 a", "1..3", "a-b"])
      expect(plainName(name)).toBe(name);
    for (const line of ["pud: entry 3", "  deeper", "a # SKIP b", "ok 1 a"]) expect(plainLine(line)).toBe(line);
  });
});

const lines = (...all: string[]): string => `${all.join("\n")}\n`;
const errorLinesOf = (...all: string[]): number[] => readKtap(lines(...all)).errors.map(({ line }) => line);

describe("a malformed document", () => {
  it("with wrong numbers is read to its end, with a remark for each", () => {
    const document = lines("KTAP version 1", "1..3", "ok 1 a", "ok 3 b", "not ok 3 c");
    const { errors, remarks, counts } = readKtap(document);
    expect(errors).toEqual([]);
    expect(remarks.map(({ line }) => line)).toEqual([4, 5]);
    expect(counts).toMatchObject({ passed: 2, failed: 1, crashed: 0, skipped: 0 });
  });

  it("without a plan has an error if a number is left out", () => {
    const { errors, remarks } = readKtap(lines("KTAP version 1", "ok 1 a", "ok 3 b", "ok 4 c"));
    expect(errors.map(({ line }) => line)).toEqual([3]);
    expect(remarks.map(({ line }) => line)).toEqual([4]);
  });

  it("without a plan is read to its end, with a remark for the outermost level", () => {
    const { errors: none, remarks } = readKtap(lines("KTAP version 1", "ok 1 a", "ok 2 b"));
    expect(none).toEqual([]);
    expect(remarks.map(({ line }) => line)).toEqual([3]);
    const nested = ["KTAP version 1", "1..2", "    KTAP version 1", "    # Subtest: s", "    ok 1 a", "    ok 2 b"];
    const { tests, errors, remarks: more } = readKtap(lines(...nested, "ok 1 s", "ok 2 t"));
    expect([...errors, ...more]).toEqual([]);
    expect(tests.map(({ name, tests: inner }) => [name, inner.length])).toEqual([
      ["s", 2],
      ["t", 0],
    ]);
  });

  it("with fewer results than planned has crashed", () => {
    const { errors, counts, missing } = readKtap(lines("KTAP version 1", "1..4", "ok 1 a"));
    expect(errors.map(({ line }) => line)).toEqual([3]);
    expect({ missing, crashed: counts.crashed }).toEqual({ missing: 3, crashed: 3 });
  });

  it("with missing results in a subtest has a crashed test, for any result line", () => {
    const nested = ["KTAP version 1", "1..2", "    KTAP version 1", "    # Subtest: s", "    1..3", "    ok 1 a"];
    const { tests, errors, counts } = readKtap(lines(...nested, "ok 1 s", "ok 2 t"));
    expect(errors.map(({ line }) => line)).toEqual([7]);
    expect(tests[0]).toMatchObject({ name: "s", status: "crashed", missing: 2 });
    expect(counts).toMatchObject({ passed: 2, failed: 0, crashed: 2, skipped: 0 });
  });

  it("that is cut off in a subtest has an error for every incomplete level", () => {
    const crash = ["    # c: Unable to handle kernel paging request", "Kernel panic - not syncing: Oops"];
    const { errors, counts, tests, missing } = readKtap(
      lines("KTAP version 1", "1..2", "    KTAP version 1", "    # Subtest: s", "    1..3", "    ok 1 a", ...crash),
    );
    expect(errors.map(({ line }) => line)).toEqual([8, 8, 8]);
    expect(tests).toMatchObject([{ name: "s", status: "crashed", missing: 2, tests: [{ name: "a" }] }]);
    expect(missing).toBe(1);
    expect(counts).toMatchObject({ passed: 1, failed: 0, crashed: 3, skipped: 0 });
    expect(tests[0]!.log).toContain("Kernel panic - not syncing: Oops");
  });

  it("ends at the message that the kernel has nothing more to run", () => {
    for (const end of ["reboot: System halted", "List of all partitions:", "Kernel panic - not syncing: VFS: no root"])
      expect(readKtap(lines("KTAP version 1", "1..2", "ok 1 a", end, "ok 2 b")).missing).toBe(1);
  });

  it("with '#' in a name keeps the result and the name", () => {
    const { errors, counts, tests } = readKtap(lines("KTAP version 1", "1..1", "ok 1 a#b"));
    expect(errors).toEqual([]);
    expect(counts.passed).toBe(1);
    expect(tests[0]!.name).toBe("a#b");
  });

  it("whose subtest has another name than its result", () => {
    const nested = ["KTAP version 1", "1..1", "    KTAP version 1", "    # Subtest: s", "    1..1", "    ok 1 a"];
    const { errors, tests } = readKtap(lines(...nested, "ok 1 t"));
    expect(errors.map(({ line }) => line)).toEqual([7, 7]);
    expect(tests).toMatchObject([
      { name: "s", status: "crashed" },
      { name: "t", status: "passed" },
    ]);
  });

  it.each([
    ["a second plan", ["KTAP version 1", "1..1", "1..1", "ok 1 a"], 3],
    ["more results than planned", ["KTAP version 1", "1..1", "ok 1 a", "ok 2 b"], 4],
    [
      "more results than planned in a subtest",
      ["KTAP version 1", "1..1", "  KTAP version 1", "  # Subtest: s", "  1..1", "  ok 1 a", "  ok 2 b", "ok 1 s"],
      7,
    ],
    ["no tests", ["KTAP version 1", "1..0"], 2],
    ["a malformed result", ["KTAP version 1", "1..1", "ok 1a", "ok 1 a"], 3],
    ["a failure without a number", ["KTAP version 1", "1..1", "not ok a", "ok 1 a"], 3],
    [
      "ok over a failed subtest",
      ["KTAP version 1", "1..1", "  KTAP version 1", "  # Subtest: s", "  1..1", "  not ok 1 a", "ok 1 s"],
      7,
    ],
    ["no version line", ["1..1", "ok 1 a"], 2],
  ])("with %s has one error", (_, document, line) => {
    expect(errorLinesOf(...document)).toEqual([line]);
  });

  it("without a document has the error of the KUnit executor", () => {
    const message = "kunit executor: unsupported filter";
    const { errors } = readKtap(lines(`[    0.1] ${message}`));
    expect(errors).toEqual([{ line: 1, message }, expect.objectContaining({ line: 1 })]);
    expect(readKtap("").errors).toHaveLength(1);
  });

  it("never throws, and every error has the number of one of its lines", () => {
    const line = fc.oneof(
      text,
      fc.constantFrom(
        "KTAP version 1",
        "TAP version 14",
        "# Subtest: a",
        "1..2",
        "ok 1 a",
        "not ok 2 a # SKIP x",
        "# log",
        "ok",
      ),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(2), line), { maxLength: 25 }), (all) => {
        const document = lines(...all.map(([depth, each]) => "    ".repeat(depth) + each));
        const { errors } = readKtap(document);
        const last = document.split(/\r?\n/).length;
        for (const { line: number } of errors) expect(number).toBeGreaterThan(0);
        for (const { line: number } of errors) expect(number).toBeLessThanOrEqual(last);
      }),
      { numRuns: runs(500) },
    );
    expect(readKtap("KTAP version 1\n".repeat(100_000)).documents).toBe(100_000);
  });
});

describe("a document of another writer", () => {
  it.each([
    ["KTAP", 2],
    ["TAP", 12],
  ])("of an unknown version of %s is read, with a remark", (protocol, version) => {
    const { errors, remarks, counts } = readKtap(lines(`${protocol} version ${version}`, "1..1", "ok 1 a"));
    expect([errors, counts.passed]).toEqual([[], 1]);
    expect(remarks.map(({ line }) => line)).toEqual([1]);
  });

  it("may have no indentation, which the kernel's parser ignores", () => {
    const flat = [
      "KTAP version 1",
      "1..2",
      "KTAP version 1",
      "# Subtest: s",
      "1..2",
      "ok 1 a",
      "ok 2 b",
      "ok 1 s",
      "ok 2 t",
    ];
    const { tests, errors } = readKtap(lines(...flat));
    expect(errors).toEqual([]);
    expect(tests.map(({ name, tests: inner }) => [name, inner.length])).toEqual([
      ["s", 2],
      ["t", 0],
    ]);
  });

  it("may begin a subtest with either line alone, with log lines between name and plan", () => {
    const named = [
      "KTAP version 1",
      "1..1",
      "    # Subtest: s",
      "    # module: m",
      "    1..1",
      "    ok 1 - a",
      "ok 1 - s",
    ];
    expect(readKtap(lines(...named))).toMatchObject({ errors: [], tests: [{ name: "s", log: ["module: m"] }] });
    const unnamed = ["TAP version 14", "1..1", "  KTAP version 1", "  1..1", "  ok 1 a", "ok 1 s"];
    expect(readKtap(lines(...unnamed))).toMatchObject({ errors: [], tests: [{ name: "s", tests: [{ name: "a" }] }] });
  });

  it("has no effective directive but SKIP, after ok and not ok", () => {
    const results = ["not ok 1 a # SKIP why", "ok 2 b # TODO", "not ok 3 c # TIMEOUT", "ok 4 d # XFAIL"];
    const { tests, errors } = readKtap(lines("KTAP version 1", "1..4", ...results));
    expect(errors).toEqual([]);
    expect(tests.map((each) => [each.status, each.directive])).toEqual([
      ["skipped", "SKIP why"],
      ["passed", "TODO"],
      ["failed", "TIMEOUT"],
      ["passed", "XFAIL"],
    ]);
  });

  it("without an error in the kernel's grammar has the same results", () => {
    fc.assert(
      fc.property(trees, (tests) => {
        const document = writeKtap(tests);
        const { errors, results } = parseKtap(document);
        fc.pre(errors.length === 0);
        expect(readKtap(document).tests.map(({ name, status }) => [name, status])).toEqual(
          results.map(({ name, status }) => [name, status]),
        );
      }),
    );
  });
});
