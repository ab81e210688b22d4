import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { KtapReader, readKtap } from "../src/index.js";
import type { KtapDocument, KtapTest } from "../src/index.js";

const read = (...all: string[]): KtapDocument => readKtap(`${all.join("\n")}\n`);

/** Name and status of each test and of its subtests. */
type Outline = readonly [name: string, status: string, ...inner: Outline[]];
const outline = ({ name, status, tests }: KtapTest): Outline => [name, status, ...tests.map(outline)];
const outlineOf = ({ tests }: KtapDocument): Outline[] => tests.map(outline);
const linesOf = (list: KtapDocument["errors"]): number[] => list.map(({ line }) => line);

/** Passed, failed, skipped, crashed. */
function countsOf({ counts }: KtapDocument): number[] {
  return [counts.passed, counts.failed, counts.skipped, counts.crashed];
}

describe("a log of KUnit", () => {
  it("has a parameterised test without a plan, whose diagnostics are indented less", () => {
    const document = read(
      "KTAP version 1",
      "1..1",
      "    KTAP version 1",
      "    # Subtest: demo",
      "    1..2",
      "    ok 1 simple",
      "        KTAP version 1",
      "        # Subtest: params",
      "    # params: initializing",
      "        ok 1 value 3 # SKIP unsupported value 3",
      "        ok 2 value 2",
      "    # params: pass:1 fail:0 skip:1 total:2",
      "    ok 2 params",
      "ok 1 demo",
    );
    expect([countsOf(document), document.errors, document.remarks]).toEqual([[2, 0, 1, 0], [], []]);
    expect(outlineOf(document)).toEqual([
      ["demo", "passed", ["simple", "passed"], ["params", "passed", ["value 3", "skipped"], ["value 2", "passed"]]],
    ]);
  });

  it("may begin with a subtest, without an outer plan", () => {
    const log = ["TAP version 14", "\t# Subtest: one", "\t1..2", "\tok 1 - a", "\tok 2 - b", "ok 1 - one"];
    const more = ["\t# Subtest: two", "\t1..2", "\tok 1 - c", "\tnot ok 2 - d", "not ok 2 - two"];
    const document = read(...[...log, ...more].map((line) => `[    0.060000] ${line}`));
    expect([countsOf(document), document.errors]).toEqual([[3, 1, 0, 0], []]);
    expect(linesOf(document.remarks)).toEqual([11]);
  });

  it("of modules has a document for each, with consecutive numbers of suites", () => {
    const document = read(
      "[   11.100000] KTAP version 1",
      "[   11.100010] 1..1",
      "[   11.100020]     KTAP version 1",
      "[   11.100030]     # Subtest: alpha",
      "[   11.100050]     1..1",
      "[   11.100060]     ok 1 first",
      "[   11.100070] ok 1 alpha",
      "[  111.900000] KTAP version 1",
      "[  111.900010] 1..1",
      "[  111.900020]     KTAP version 1",
      "[  111.900030]     # Subtest: beta",
      "[  111.900050]     1..2",
      "[  111.900060]     ok 1 first",
      "[  111.900070]     not ok 2 second",
      "[  111.900090] not ok 2 beta",
    );
    expect([document.documents, countsOf(document), document.errors, document.remarks]).toEqual([
      2,
      [2, 1, 0, 0],
      [],
      [],
    ]);
  });

  it("is read if its times get longer, and if other lines have no time", () => {
    const document = read(
      "[ 9999.999998] KTAP version 1",
      "[ 9999.999999] 1..2",
      "<LAVA_SIGNAL_STARTTC a>",
      "[10000.000000] ok 1 a",
      "[100000.000000] ok 2 b",
    );
    expect([countsOf(document), document.errors]).toEqual([[2, 0, 0, 0], []]);
  });

  it("keeps a result that shares its line with a message", () => {
    const document = read(
      "[    3.100000] KTAP version 1",
      "[    3.100010] 1..3",
      "[    3.100020] ok 1 a[    3.100021] usb 1-1: new high-speed USB device",
      "[    3.100030] usb 1-1: found[    3.100031] not ok 2 b",
      "[    3.100040] ok 3 c[    3.100041] random: crng init done",
    );
    expect(outlineOf(document)).toEqual([
      ["a", "passed"],
      ["b", "failed"],
      ["c", "passed"],
    ]);
    expect(document.tests[1]!.log).toEqual(["usb 1-1: new high-speed USB device", "usb 1-1: found"]);
  });

  it("may contain a document of a program and one of the kernel at once", () => {
    const document = read(
      "TAP version 13",
      "1..2",
      "# selftests: kunit: load.sh",
      "# TAP version 13",
      "# 1..1",
      "# ok 1 loaded",
      "[   11.100000] KTAP version 1",
      "[   11.100010] 1..2",
      "[   11.100020] ok 1 x",
      "ok 1 selftests: kunit: load.sh",
      "[   11.100030] not ok 2 y",
      "ok 2 selftests: kunit: other.sh",
    );
    expect([document.documents, countsOf(document), document.errors]).toEqual([2, [3, 1, 0, 0], []]);
  });

  it("that ends in a crash has a crashed test, also without a plan", () => {
    const document = read(
      "TAP version 14",
      "\t# Subtest: s",
      "\tok 1 - a",
      "\t# b: initializing",
      "Oops: general fault",
    );
    expect([countsOf(document), linesOf(document.errors)]).toEqual([[1, 0, 0, 1], [5]]);
  });

  it("of two boots keeps the results of the first one", () => {
    const suite = ["KTAP version 1", "1..2", "    KTAP version 1", "    # Subtest: s", "    1..2", "    ok 1 a"];
    const document = read(...suite, "Kernel panic - not syncing: Oops", ...suite, "    ok 2 b", "ok 1 s", "ok 2 t");
    expect([document.documents, countsOf(document)]).toEqual([2, [4, 0, 0, 2]]);
    const flat = ["KTAP version 1", "1..3", "ok 1 a"];
    const again = read(...flat, "Kernel panic - not syncing: Oops", ...flat, "ok 2 b", "ok 3 c");
    expect([again.documents, countsOf(again)]).toEqual([2, [4, 0, 0, 2]]);
  });

  it("reports results before the first document", () => {
    const document = read("[    0.1] not ok 1 lost", "[    0.2] KTAP version 1", "[    0.3] 1..1", "[    0.4] ok 1 a");
    expect([countsOf(document), linesOf(document.errors)]).toEqual([[1, 0, 0, 0], [1]]);
  });

  it("counts a failed suite whose cases passed", () => {
    const document = read("KTAP version 1", "1..1", "  # Subtest: s", "  1..1", "  ok 1 a", "not ok 1 s");
    expect([countsOf(document), document.errors]).toEqual([[1, 1, 0, 0], []]);
  });
});

describe("a log of kselftest", () => {
  it("skips by a plan with a reason, alone and in a subtest", () => {
    const nested = read(
      "TAP version 13",
      "1..2",
      "ok 1 a",
      "    TAP version 13",
      "    1..0 # SKIP no pkeys",
      "ok 2 b # SKIP",
    );
    expect([countsOf(nested), nested.errors]).toEqual([[1, 0, 1, 0], []]);
    expect(nested.tests[1]).toMatchObject({ status: "skipped", directive: "SKIP no pkeys" });
    const alone = read("TAP version 13", "1..0 # SKIP not root");
    expect([countsOf(alone), alone.errors]).toEqual([[0, 0, 1, 0], []]);
    expect(alone.tests).toMatchObject([{ status: "skipped", directive: "SKIP not root" }]);
  });

  it("skips in every spelling", () => {
    const results = ["- a # skip", "- b # Skipped no nft", "c # SKIP", "# SKIP no name", "- # SKIP", "d #skip why"];
    const document = read("TAP version 13", "1..6", ...results.map((each, index) => `ok ${index + 1} ${each}`));
    expect([countsOf(document), document.errors]).toEqual([[0, 0, 6, 0], []]);
  });

  it("has remarks, times and exit statuses after its results", () => {
    const document = read(
      "TAP version 13",
      "1..3",
      "ok 1 a # 12 ms",
      "not ok 2 b # exit=1",
      "not ok 3 c # TIMEOUT 45 seconds",
    );
    expect(countsOf(document)).toEqual([1, 2, 0, 0]);
    expect(document.tests.map(({ directive }) => directive)).toEqual(["12 ms", "exit=1", "TIMEOUT 45 seconds"]);
  });

  it("may have its plan at the end, and results without numbers", () => {
    const document = read("TAP version 14", "ok - a", "not ok - b", "1..3");
    expect(countsOf(document)).toEqual([1, 1, 0, 1]);
    expect(linesOf(document.remarks)).toEqual([2, 3]);
  });

  it("may nest results by indentation alone", () => {
    const document = read(
      "TAP version 14",
      "1..2",
      "    1..2",
      "    ok 1 - a",
      "    not ok 2 - b",
      "not ok 1 - s",
      "ok 2 - t",
    );
    expect([countsOf(document), document.errors]).toEqual([[2, 1, 0, 0], []]);
    expect(outlineOf(document)[0]).toEqual(["s", "failed", ["a", "passed"], ["b", "failed"]]);
    // The kernel's parser ignores indentation: these are three results.
    expect(countsOf(read("KTAP version 1", "1..3", "  ok 1 a", "  ok 2 b", "ok 3 c"))).toEqual([3, 0, 0, 0]);
  });

  it("has blocks of YAML, which are log, and text that begins like one", () => {
    const block = ["  ---", '  message: "1..7 expected"', "  1..7", "  not ok 1 x", "  ..."];
    const document = read("TAP version 13", "1..2", "ok 1 - a", ...block, "ok 2 - b");
    expect([countsOf(document), document.errors]).toEqual([[2, 0, 0, 0], []]);
    expect(document.tests[1]!.log).toHaveLength(5);
    expect(countsOf(read("TAP version 13", "1..2", "ok 1 - a", "---", "not ok 2 - b"))).toEqual([1, 1, 0, 0]);
  });

  it("that bails out has an error, also if every result before is ok", () => {
    expect(linesOf(read("TAP version 13", "1..1", "ok 1 a", "Bail out! no memory").errors)).toEqual([4]);
  });

  it("counts results above the plan", () => {
    const document = read("TAP version 13", "1..1", "ok 1 a", "not ok 2 b", "ok 3 c");
    expect([countsOf(document), linesOf(document.errors)]).toEqual([[2, 1, 0, 0], [4]]);
  });
});

describe("a console", () => {
  it("with a prompt before the version line turns neither not ok into ok nor a diagnostic line into a result", () => {
    // Four characters are before the version line; `not ok` without its first four characters is `ok`.
    const prompt = read("/ # KTAP version 1", "1..3", "ok 1 a", "not ok 2 b", "ok 3 c");
    expect([countsOf(prompt), prompt.errors]).toEqual([[2, 1, 0, 0], []]);
    const nested = read("$ TAP version 13", "1..1", "# ok 1 inner", "# not ok 2 inner", "ok 1 a");
    expect([countsOf(nested), nested.errors]).toEqual([[1, 0, 0, 0], []]);
  });

  it.each([
    ["another program's text before the version line", "login: [   12.000001] KTAP version 1"],
    ["a message fused to its end", "[   12.000001] KTAP version 1[   12.000001] usb 1-1: new"],
  ])("has %s", (_, version) => {
    const document = read(version, "[   12.000002] 1..2", "[   12.000003] ok 1 a", "[   12.000004] not ok 2 b");
    expect([countsOf(document), document.errors]).toEqual([[1, 1, 0, 0], []]);
  });

  it.each(["[   12.00000%][    T1] ", "<6>[   12.00000%] "])("with the prefix %s fuses its messages", (prefix) => {
    const at = (line: number): string => prefix.replace("%", String(line));
    const document = read(
      `${at(1)}KTAP version 1`,
      `${at(2)}1..2`,
      `login: ${at(3)}ok 1 a`,
      `${at(4)}not ok 2 b${at(5)}usb 1-1`,
    );
    expect([countsOf(document), document.errors]).toEqual([[1, 1, 0, 0], []]);
  });

  it.each([
    ["NUL before and after lines", (line: string): string => `\0${line}\0\0`],
    ["NUL after each character, as in UTF-16", (line: string): string => line.replace(/./g, "$&\0")],
    ["sequences that erase to the end of the line", (line: string): string => `${line}\u001b[K`],
    ["sequences that move the cursor", (line: string): string => `\u001b[2K\u001b[1G${line}`],
  ])("has %s", (_, spoil) => {
    const document = read(...["KTAP version 1", "1..2", "ok 1 a", "not ok 2 b"].map(spoil));
    expect([countsOf(document), document.errors]).toEqual([[1, 1, 0, 0], []]);
    expect(document.tests.map(({ name }) => name)).toEqual(["a", "b"]);
  });
});

describe("a log of TAP", () => {
  it("may have neither numbers nor dashes in its results", () => {
    const document = read("TAP version 13", "1..4", "ok a", "not ok b", "ok", "ok d # skip why");
    expect([countsOf(document), document.errors]).toEqual([[2, 1, 1, 0], []]);
    expect(document.tests.map(({ name }) => name)).toEqual(["a", "b", "", "d"]);
  });

  it("has prose that begins like a result, if results have numbers, and in KTAP", () => {
    const numbered = read("TAP version 13", "1..2", "ok 1 a", "ok then", "ok 2 b");
    expect([countsOf(numbered), numbered.errors]).toEqual([[2, 0, 0, 0], []]);
    const kernel = read("KTAP version 1", "1..1", "ok then", "ok 1 a");
    expect([countsOf(kernel), kernel.errors]).toEqual([[1, 0, 0, 0], []]);
    expect(kernel.tests[0]!.log).toEqual(["ok then"]);
    expect(linesOf(read("KTAP version 1", "1..1", "not ok then", "ok 1 a").errors)).toEqual([3]);
  });

  it("skips after another remark, as the kernel's parser does", () => {
    const document = read("TAP version 13", "1..1", "not ok 1 a # exit=4 # SKIP no pkeys");
    expect(document.tests).toMatchObject([{ name: "a", status: "skipped", directive: "exit=4 # SKIP no pkeys" }]);
  });

  it("has a point or a colon after its numbers, and a subtest with blanks around its name", () => {
    const document = read(
      "TAP version 14",
      "1..2",
      "ok 1: a",
      "# Subtest:   s ",
      "    1..1",
      "    ok 1. b",
      "ok 2   s",
    );
    expect([countsOf(document), document.errors]).toEqual([[2, 0, 0, 0], []]);
    expect(outlineOf(document)[1]).toEqual(["s", "passed", ["b", "passed"]]);
  });

  it("with a plan without a number has an error", () => {
    expect(linesOf(read("TAP version 13", "1..", "ok 1 a").errors)).toEqual([2]);
  });
});

describe("a hostile log", () => {
  it("may have many lines in one level", () => {
    const document = readKtap(`KTAP version 1\n1..1\n${"l\n".repeat(130_000)}ok 1 a\n`);
    expect([countsOf(document), document.tests[0]!.log.length]).toEqual([[1, 0, 0, 0], 130_000]);
  });

  it("has an error for each number that is not a safe integer, and never another number", () => {
    for (const digits of ["9007199254740993", "9".repeat(309)]) {
      expect(read("KTAP version 1", `1..${digits}`, "ok 1 a")).toMatchObject({
        errors: [{ line: 2 }],
        counts: { passed: 1, crashed: 0 },
      });
      expect(read("KTAP version 1", "1..1", `ok ${digits} a`)).toMatchObject({
        errors: [{ line: 3 }],
        counts: { passed: 1 },
      });
    }
    const most = Number.MAX_SAFE_INTEGER;
    const document = read("KTAP version 1", `1..${most}`, "ok 1 a", "KTAP version 1", `1..${most}`);
    expect(document.counts.crashed).toBeLessThanOrEqual(most);
    expect(document.errors.length).toBeGreaterThan(1);
  });

  it("with too many log lines loses no result", () => {
    const reader = new KtapReader();
    for (const line of ["KTAP version 1", "1..1"]) reader.push(line);
    const long = "x".repeat(1 << 20);
    for (let at = 0; at < 40; at++) reader.push(long);
    reader.push("not ok 1 a");
    const document = reader.finish();
    expect([countsOf(document), document.errors, document.remarks.length]).toEqual([[0, 1, 0, 0], [], 1]);
  });

  it("with too many results is rejected", () => {
    const reader = new KtapReader();
    for (const line of ["KTAP version 1"]) reader.push(line);
    const result = `ok 1 ${"x".repeat(1 << 20)}`;
    expect(() => {
      for (let at = 0; at < 100; at++) reader.push(result);
    }).toThrow(expect.objectContaining({ code: "ERR_INPUT_KIND" }) as Error);
  });
});

const CASES = new URL("../../../../shared/cases/", import.meta.url);

describe.runIf(existsSync(CASES))("logs of real runs", () => {
  it.each([
    ["50-kunit-parameterised.log", [2, 0, 1, 0]],
    ["51-kunit-no-outer-plan.log", [3, 1, 0, 0]],
    ["52-kselftest-plan-skip.ktap", [1, 0, 1, 0]],
    ["54-kunit-modules-two-documents.txt", [2, 1, 0, 0]],
    ["56-lowercase-skip.ktap", [0, 0, 3, 0]],
    ["58-tap-yaml-block.txt", [1, 1, 1, 0]],
    ["76-pass-lava-interleaved.txt", [3, 0, 0, 0]],
  ])("%s", (name, counts) => {
    const document = readKtap(readFileSync(new URL(name, CASES), "utf8"));
    expect([countsOf(document), document.errors]).toEqual([counts, []]);
  });
});
