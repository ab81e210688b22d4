import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import type { ConformReport } from "../../src/report/conform.js";
import { jsonOf, kpkeys } from "./kpkeys.js";
import { expectRejection } from "./rejection.js";

const ARM64 = fileURLToPath(new URL("../../../arch-arm64-poe/testdata/vectors.jsonl.gz", import.meta.url));
const X86 = fileURLToPath(new URL("../../../arch-x86-pks/testdata/vectors.jsonl.gz", import.meta.url));
const x86Lines = gunzipSync(readFileSync(X86)).toString().trim().split("\n");

const folder = mkdtempSync(join(tmpdir(), "kpkeys-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe("kpkeys conform", () => {
  test("agrees with the samples of both architectures, with counts for each file", () => {
    const { status, stdout, stderr } = kpkeys("conform", ARM64, X86);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^.*arch-arm64-poe\S+ +204 +204 +0 +[\d,]+$/m);
    expect(stdout).toMatch(/^.*arch-x86-pks\S+ +208 +208 +0 +[\d,]+$/m);
    expect(stdout).toMatch(/^total +412 +412 +0 +[\d,]+\n {2}not compared: pte_after \d+, .*upper_after \d+$/m);
  });

  test("fails for a line that disagrees, and prints both values and the walk", () => {
    const faults = x86Lines.filter((each) => each.includes('"error_code":"0x5"') && each.includes('"ad_after"'));
    const line = JSON.parse(faults.find((each) => !each.includes('"disputed"'))!) as Record<string, unknown>;
    const changed = { ...line, error_code: "0x15", cr2: "0x8" };
    const path = file("changed.jsonl", `${x86Lines[0]!}\n${JSON.stringify(changed)}\n`);
    const { status, document } = jsonOf("conform", path, "--arch", "x86-pks");
    expect(status).toBe(1);
    const { agree, disagree, disagreements } = document as ConformReport;
    expect({ agree, disagree }).toEqual({ agree: 1, disagree: 1 });
    const [found] = disagreements;
    expect(found).toMatchObject({ id: line["id"], file: path, line: 2 });
    expect(found!.fields).toEqual({
      error_code: { expected: "0x15", model: "0x5" },
      cr2: { expected: "0x8", model: line["cr2"] },
    });
    expect(found!.walk.length).toBeGreaterThan(0);
    expect(found!.walk.at(-1)!.entry).toBe(line["pte_after"]);
    const { status: textStatus, stdout } = kpkeys("conform", path);
    expect(textStatus).toBe(1);
    expect(stdout).toContain("  error_code: expected 0x15, model 0x5\n");
    expect(stdout).toMatch(/^ {2}level 0: table 0x[0-9a-f]+, entry +\d+ = 0x[0-9a-f]+ \(table\)$/m);
  });
});

describe("kpkeys conform rejects in one line with status 2", () => {
  const rejects = (args: readonly string[], code: string, ...texts: readonly string[]): void => {
    expectRejection(["conform", ...args], code, ...texts);
  };

  test.each([
    ["access", "fly", "expected read or write or rmw or fetch"],
    ["level", "8k", "expected 4k or 2m or 1g"],
    ["cr0wp", 2, "expected 0 or 1"],
    ["colour", "red", '"colour"'],
  ])("a line whose %s is %j", (field, value, text) => {
    const bad = JSON.stringify({ ...(JSON.parse(x86Lines[1]!) as object), [field]: value });
    const path = file(`${field}.jsonl`, [x86Lines[0], bad, ...x86Lines.slice(2)].join("\n"));
    rejects([path], "ERR_VECTOR_LINE", `${path}:2: vector x86-`, field, text);
  });

  test("a line without a field, a damaged line, a line of an architecture that was not chosen", () => {
    const { pte, ...rest } = JSON.parse(x86Lines[0]!) as Record<string, unknown>;
    expect(pte).toBeDefined();
    const missing = file("missing.jsonl", JSON.stringify(rest));
    rejects([missing], "ERR_VECTOR_LINE", `${missing}:1: vector x86-`, "'pte'");
    const damaged = file("damaged.jsonl", `${x86Lines[0]!}\n${x86Lines[1]!.slice(0, -9)}\n`);
    rejects([X86, damaged, "--json"], "ERR_VECTOR_LINE", `${damaged}:2: `);
    rejects([X86, "--arch", "arm64-poe"], "ERR_VECTOR_LINE", `${X86}:1: `, "x86-pks", "arm64-poe");
  });

  test("a file that is missing, a directory, truncated or empty", () => {
    rejects([X86, join(folder, "nosuch")], "ERR_INPUT_MISSING", "nosuch: ");
    rejects([folder], "ERR_INPUT_KIND", `${folder}: `);
    const truncated = file("truncated.jsonl.gz", readFileSync(X86).subarray(0, 4000));
    rejects([truncated], "ERR_INPUT_TRUNCATED", truncated);
    const empty = file("empty.jsonl", "");
    rejects([empty], "ERR_VECTOR_EMPTY", empty);
  });

  test("no file, and an unknown architecture", () => {
    rejects([], "ERR_USAGE", "'files'");
    rejects([X86, "--arch", "riscv"], "ERR_USAGE", "'riscv'");
  });
});
