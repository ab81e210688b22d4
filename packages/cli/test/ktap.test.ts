import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { readKtap } from "@kpkeys/kunit-suite";
import { afterAll, describe, expect, test } from "vitest";
import { ktap } from "../src/commands/ktap.js";
import { isGoodKtap, ktapTextOf } from "../src/report/ktap.js";
import { PLAIN } from "../src/report/style.js";

const folder = mkdtempSync(join(tmpdir(), "kpkeys-ktap-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function fileOf(name: string, content: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const text = (...lines: string[]): string => ktapTextOf("log", readKtap(lines.join("\n")), PLAIN);

describe("kpkeys ktap", () => {
  test("prints counts, failed tests and the reasons of skipped tests", () => {
    const log = ["KTAP version 1", "1..3", "ok 1 a", "# b: why", "not ok 2 b", "ok 3 c # SKIP no pkeys"];
    const printed = text(...log).split("\n");
    expect(printed).toContain("skipped c: no pkeys");
    expect(printed).toContain("failed b");
    expect(text("TAP version 13", "1..1", "not ok 1 d # exit=4 # SKIP no root")).toContain("skipped d: no root");
    expect(printed.at(-2)).toContain("1 passed, 1 failed, 1 skipped");
  });

  test("has a remark and status 0 if no result is lost", () => {
    const document = readKtap("TAP version 13\nok 1 a\nok 2 b\n");
    expect([isGoodKtap(document), document.remarks.length]).toEqual([true, 1]);
    expect(ktapTextOf("log", document, PLAIN)).toContain("log:3: ");
  });

  test("prints no control character of a name, a log line or an error", () => {
    const hostile = "\u001b]0;owned\u0007\u009b1m\u007f\u202e";
    const printed = text("KTAP version 1", "1..1", `# ${hostile}`, `Bail out! ${hostile}`, `not ok 1 a${hostile}`);
    expect(printed.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(printed).toContain("\\u{1b}]0;owned\\u{7}");
  });

  test("rejects a small file that unpacks to too many lines", async () => {
    const bomb = fileOf("bomb.gz", gzipSync(Buffer.alloc(11_000_000, "\n")));
    await expect(ktap(bomb, {})).rejects.toMatchObject({ code: "ERR_INPUT_KIND" });
  });

  test("reads names in any script and a serial log that starts with NUL, and rejects binary data", async () => {
    const names = Array.from({ length: 40 }, (_, index) => `ok ${index + 1} ${"頁表".repeat(8)}`);
    const log = ["KTAP version 1", "1..40", ...names].join("\n");
    await expect(ktap(fileOf("names", `${log}\n`), { json: true })).resolves.toBe(0);
    await expect(ktap(fileOf("serial", `${"\0".repeat(3)}${log}\n`), { json: true })).resolves.toBe(0);
    await expect(ktap(fileOf("zeros", Buffer.alloc(5000)), {})).rejects.toMatchObject({ code: "ERR_INPUT_KIND" });
  });

  test("continues after a line that is too long, and reports an error", async () => {
    const log = fileOf("long", `KTAP version 1\n1..1\n${"x".repeat(3 << 20)}\nok 1 a\n`);
    await expect(ktap(log, { json: true })).resolves.toBe(1);
  });
});
