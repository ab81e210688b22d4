import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import type { ExplainReport } from "../../src/index.js";
import { jsonOf, kpkeys, kpkeysReading } from "./kpkeys.js";
import { expectRejection } from "./rejection.js";

const OOPS = "--esr 0x000000409600004f --far 0xffff00087fbbbd78 --pte 0x10e80008ffbbb707".split(" ");
const X86_FAULT = "--error-code 0x23 --cr2 0xffff888012345008 --pte 0x8800000012345163".split(" ");
const VECTORS = fileURLToPath(new URL("../../../arch-x86-pks/testdata/vectors.jsonl.gz", import.meta.url));

describe("kpkeys explain", () => {
  test("prints the text of the README", () => {
    const section = readFileSync(new URL("../../README.md", import.meta.url), "utf8").split(
      "## Explaining a fault",
    )[1]!;
    const [, command, shown] = /```sh\n([^]*?)```[^]*?```text\n([^]*?)```/.exec(section)!;
    const { status, stdout, stderr } = kpkeys(...command!.replaceAll("\\\n", "").trim().split(/\s+/).slice(2));
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout.endsWith(`\n${shown!}`)).toBe(true);
  });

  test.each([
    ["arm64-poe", OOPS],
    ["x86-pks", X86_FAULT],
  ])("identifies the architecture by the inputs: %s", (arch, inputs) => {
    const { status, document } = jsonOf("explain", ...inputs);
    const { verdict, ...report } = document as ExplainReport;
    expect({ status, arch: report.arch }).toEqual({ status: 0, arch });
    expect(verdict).toMatchObject({ result: "fault", decidedBy: "key", agrees: true });
  });

  test("has the keys and contexts of the features of the kernel, and the guard of the feature", () => {
    const { status, stdout } = kpkeys("explain", ...OOPS, "--por", "0x117", "--feature", "pgtables,cred");
    expect(status).toBe(0);
    expect(stdout).toContain("POR_EL1 0x117 is the value of the context DEFAULT");
    expect(stdout.replaceAll(/\s+/g, " ")).toContain(
      "the access succeeds in the contexts PGTABLES and UNRESTRICTED: likely a page-table write outside its setter's guard, kpkeys_hardened_pgtables ",
    );
    expect(kpkeys("explain", ...OOPS, "--por", "0x17", "--feature", "pgtables,cred").stdout).toContain(
      "is the value of no context",
    );
  });

  test("fits into 100 columns", () => {
    for (const inputs of [OOPS, X86_FAULT]) {
      const { stdout } = kpkeys("explain", ...inputs);
      expect(stdout.split("\n").filter((line) => line.length > 100)).toEqual([]);
    }
  });

  test("fails if the report disagrees with the model", () => {
    const { status, document } = jsonOf("explain", ...OOPS, "--por", "0x57");
    expect(status).toBe(1);
    expect((document as ExplainReport).verdict.agrees).toBe(false);
  });

  test("agrees with the published report of the quick start", () => {
    const text = readFileSync(new URL("../../../../docs/quick-start.md", import.meta.url), "utf8");
    const [command] = /^npx kpkeys explain --.*$/m.exec(text)!;
    const { status, document } = jsonOf(...command.split(" ").slice(2));
    expect(status).toBe(0);
    expect((document as ExplainReport).verdict).toMatchObject({ decidedBy: "key", agrees: true });
  });

  test("explains a line of a vector file, given as FILE:LINE or as JSON", () => {
    const { status, document } = jsonOf("explain", "--vector", `${VECTORS}:3`);
    expect(status).toBe(0);
    expect((document as ExplainReport).arch).toBe("x86-pks");
    expect((document as ExplainReport).reasons[0]!.text).toMatch(/^vector x86-/);
    expect(kpkeys("explain", "--vector", `{"arch":"x86-pks","id":"mine"}`).stderr).toMatch(
      /^kpkeys: ERR_VECTOR_LINE: vector mine: .*\n$/,
    );
  });

  test("lists the inputs of each architecture, and the inputs of both", () => {
    const { status, stdout } = kpkeys("explain", "--help");
    expect(status).toBe(0);
    for (const heading of ["Inputs of arm64-poe:", "Inputs of x86-pks:", "Page tables:"])
      expect(stdout).toContain(heading);
  });

  test.each([
    ["no input", [], "ERR_EXPLAIN_INPUT", "--arch"],
    ["a missing input", ["--esr", "0x96000004"], "ERR_EXPLAIN_INPUT", "far"],
    ["inputs of two architectures", ["--esr", "1", "--cr2", "2"], "ERR_EXPLAIN_INPUT", "--esr (arm64"],
    ["an input of another architecture", ["--arch", "x86-pks", "--esr", "1"], "ERR_EXPLAIN_INPUT", "'esr'"],
    ["bad hex", [...OOPS, "--por", "rw"], "ERR_EXPLAIN_INPUT", "por: 'rw'"],
    ["an unknown flag", [...OOPS, "--cr9", "0"], "ERR_USAGE", "'--cr9'"],
    ["an unknown architecture", ["--arch", "mips"], "ERR_USAGE", "'mips'"],
    ["a vector and inputs", [...OOPS, "--vector", "{}"], "ERR_EXPLAIN_INPUT", "--vector and --esr"],
    ["an argument that is not a vector", ["--vector", "x"], "ERR_EXPLAIN_INPUT", "'x'"],
    ["broken JSON", ["--vector", "{"], "ERR_VECTOR_LINE", ""],
    ["a vector of an unknown architecture", ["--vector", '{"arch":"mips"}'], "ERR_EXPLAIN_INPUT", '"mips"'],
    ["a line that does not exist", ["--vector", `${VECTORS}:100000`], "ERR_EXPLAIN_INPUT", "100000"],
    ["a file that does not exist", ["--vector", "nowhere.jsonl:1"], "ERR_INPUT_MISSING", "nowhere.jsonl"],
  ])("rejects %s in one line, with status 2", (_, inputs, code, text) => {
    expectRejection(["explain", ...inputs], code, text);
  });
});

const LOG = `Linux version 7.3.0\r
<1>[   12.100000] \u001b[1mBUG: unable to handle page fault for address: ffff888100001000
<1>[   12.100001] #PF: supervisor write access in kernel mode
<1>[   12.100002] #PF: error_code(0x0023) - protection keys violation
<6>[   12.100003] PGD 5a01067 P4D 5a01067 PUD 5a02063 PMD 5a03063 PTE 8800000100001163
<4>[   12.100004] Oops: Oops: 0023 [#1] SMP
<4>[   12.100005] CR2: ffff888100001000 CR3: 0000000005a00000 CR4: 0000000001770ef0
<4>[   12.100006] ---[ end trace 0000000000000000 ]---
<1>[   13.100006] BUG: kernel NULL pointer dereference, address: 0000000000000008
`;

describe("kpkeys explain FILE", () => {
  const folder = mkdtempSync(join(tmpdir(), "kpkeys-"));
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });
  const file = (name: string, content: string | Uint8Array): string => {
    const path = join(folder, name);
    writeFileSync(path, content);
    return path;
  };

  test("explains the first report of a log, plain, gzip or on stdin, and lists the lines that it used", () => {
    const plain = file("dmesg.txt", LOG);
    const { status, document } = jsonOf("explain", plain);
    const report = document as ExplainReport;
    expect({ status, arch: report.arch }).toEqual({ status: 0, arch: "x86-pks" });
    expect(report).toMatchObject({ file: plain, used: [2, 4, 5, 7], otherReports: 1 });
    expect(report.verdict).toMatchObject({ kind: "tables", decidedBy: "key", agrees: true });
    const { document: packed } = jsonOf("explain", file("dmesg.gz", gzipSync(LOG)));
    expect(packed).toEqual({ ...report, file: join(folder, "dmesg.gz") });
    const read = kpkeysReading(LOG, "explain", "-", "--json");
    expect(JSON.parse(read.stdout)).toEqual({ ...report, file: "stdin" });

    const { stdout } = kpkeys("explain", plain);
    expect(stdout).toContain("used lines 2, 4, 5, 7");
    expect(stdout.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
  });

  test("completes and overrides a log with flags", () => {
    const plain = file("dmesg.txt", LOG);
    const { document } = jsonOf("explain", plain, "--pkrs", "0", "--cr4", "0x1770ef0");
    expect(document).toMatchObject({ used: [2, 4, 5, 7], verdict: { result: "ok", agrees: false } });
    expect(kpkeys("explain", plain, "--entries", "5a01067", "5a02063", "5a03063", "8800000100001163").status).toBe(0);
  });

  test.each([
    ["no report", "nothing\n", [], "ERR_EXPLAIN_NO_OOPS"],
    ["a report of another architecture", LOG, ["--arch", "arm64-poe"], "ERR_EXPLAIN_NO_OOPS"],
    ["a report of an unsupported system", `${LOG.slice(0, 200)}\nEIP: 0060\n`, [], "ERR_EXPLAIN_LIMIT"],
    ["a vector too", LOG, ["--vector", "{}"], "ERR_EXPLAIN_INPUT"],
    ["a report without entries", LOG.replace(/<6>.*\n/, ""), [], "ERR_EXPLAIN_INPUT"],
  ])("rejects %s by code, with status 2", (_, log, flags, code) => {
    const { status, stdout, stderr } = kpkeys("explain", file("log.txt", log), ...flags);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toMatch(new RegExp(`^kpkeys: ${code}: [^\\p{Cc}]+\\n$`, "u"));
  });
});
