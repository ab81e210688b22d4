import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { kpkeys } from "../e2e/kpkeys.js";

const folder = mkdtempSync(join(tmpdir(), "kpkeys-controls-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const code = (first: number, last: number): string =>
  String.fromCharCode(...Array.from({ length: last - first + 1 }, (_, at) => first + at));
/** Characters that a terminal interprets, except NUL, tab and line ends: C0, DEL, C1, changes of text direction. */
const CONTROLS = [code(1, 8), code(11, 12), code(14, 31), code(0x7f, 0x9f), code(0x202a, 0x202e), code(0x2066, 0x2069)];
const HOSTILE = `a${CONTROLS.join("")}\u001b]0;owned\u0007\u200f`;
/** Short enough for the name of a process. */
const NAME = "x\u001b[31m\u009b\u202e\u007f";

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

function expectPrintable(args: readonly string[]): string {
  const { status, stdout, stderr } = kpkeys(...args);
  const printed = stdout + stderr;
  expect(printed.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(printed).not.toContain("bug:");
  expect([0, 1, 2]).toContain(status);
  return printed;
}

/** A file with many control characters at its start is rejected as binary, so these lines come first. */
const PLAIN = Array.from(
  { length: 60 },
  () => "cc1 99 [000] 0.900000: sched:sched_waking: comm=kworker pid=7 prio=120",
);
const TRACE = [
  ...PLAIN,
  `${NAME} 100 [000] 1.000000: sched:sched_process_exec: filename=/bin/x pid=100 old_pid=100`,
  `${NAME} 100 [000] 1.000001: syscalls:sys_enter_brk: brk: 0x0`,
  `${NAME} 100 [000] 1.000002: odd:${HOSTILE}: a=1`,
  `${NAME} 100 [000] 1.000003: syscalls:sys_exit_brk: 0x55550000`,
];
const MACHINE = ["--memory", "64MiB", "--arch", "x86-pks", "--policy", "batched"];
const VECTORS = new URL("../../../arch-x86-pks/testdata/vectors.jsonl.gz", import.meta.url);

describe("no command prints a control character of an input", () => {
  const trace = file("trace", `${TRACE.join("\n")}\n`);

  test.each([[[]], [["--json"]]])("replay of a trace and an account of its processes %s", (json) => {
    const vmpte = file("vmpte", `100 1 ${NAME} 400 400 1\n`);
    expect(expectPrintable(["replay", trace, "--vmpte", vmpte, ...MACHINE, ...json])).not.toContain("ERR_");
  });

  test.each([
    ["a trace", `${TRACE.join("\n")}\n${NAME} 100 [000] 1.000004: syscalls:sys_enter_brk: brk: ${HOSTILE}\n`],
    [
      "strace",
      `${"1 getpid() = 1\n".repeat(200)}1 ${HOSTILE}(1) = 0\n1 brk(NULL) = ${HOSTILE}\n1 mprotect(${HOSTILE}, 4096) = 0\n`,
    ],
    ["only such characters", `${`${HOSTILE} `.repeat(5)}\n`],
  ])("replay of %s", (name, text) => {
    expectPrintable(["replay", file(name, text), ...MACHINE]);
  });

  test.each([
    ["--config", `CONFIG_KUNIT=y\n${HOSTILE}\n`, "ERR_CONFIG_LINE"],
    ["--vmpte", `1 1 ${HOSTILE}\n`, "ERR_VMPTE_LINE"],
    ["--cost", `{"${HOSTILE}`, "ERR_COST_FILE"],
    ["--cost", JSON.stringify({ [HOSTILE]: 1 }), "ERR_COST_FILE"],
  ])("%s", (flag, text, expected) => {
    expect(expectPrintable(["replay", trace, ...MACHINE, flag, file("input", text)])).toContain(expected);
  });

  test.each([[[]], [["--json"]]])("ktap %s", (json) => {
    const log = ["KTAP version 1", "1..3", `# ${HOSTILE}`, `not ok 1 ${HOSTILE}`, `ok 2 a # SKIP ${HOSTILE}`, "1..2"];
    expectPrintable([
      "ktap",
      file("log", [...log, `Bail out! ${HOSTILE}`, `    # Subtest: ${HOSTILE}`, ""].join("\n")),
      ...json,
    ]);
  });

  test.each([[[]], [["--json"]]])("conform and explain %s", (json) => {
    const vector = JSON.parse(gunzipSync(readFileSync(VECTORS)).toString().split("\n")[0]!) as Record<string, unknown>;
    const lines = [
      { ...vector, id: HOSTILE, result: vector["result"] === "ok" ? "fault" : "ok" },
      { ...vector, id: HOSTILE, oracle: HOSTILE, [HOSTILE]: 1 },
      { ...vector, arch: HOSTILE },
      { ...vector, id: HOSTILE, pte: HOSTILE },
    ];
    for (const line of lines) {
      const path = file("vectors", `${JSON.stringify(line)}\n`);
      expectPrintable(["conform", path, ...json]);
      expectPrintable(["explain", "--vector", `${path}:1`, ...json]);
    }
    expectPrintable(["conform", file("vectors", `{"${HOSTILE}\n`), ...json]);
  });

  test.each([
    ["a file that does not exist", ["ktap", `/nowhere/${HOSTILE}`]],
    ["the name of a file", ["replay", join(folder, HOSTILE)]],
    ["an argument", ["replay", "x", "--arch", HOSTILE]],
    ["a command", [HOSTILE]],
    ["a filter", ["kunit", "--memory", "64MiB", "--arch", "x86-pks", "--filter", HOSTILE]],
    [
      "a log for explain",
      ["explain", file("dmesg", `Unable to handle ${HOSTILE}\n  ESR = 0x9600004f ${HOSTILE}\n${HOSTILE}\n`)],
    ],
  ])("%s", (_, args) => {
    expectPrintable(args);
  });
});
