import { describe, expect, test } from "vitest";
import { kpkeys } from "./kpkeys.js";
import { expectRejection } from "./rejection.js";

describe("kpkeys museum", () => {
  test("prints a table of the exhibits that fits into 100 columns", () => {
    const { status, stdout, stderr } = kpkeys("museum", "--arch", "x86-pks");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^exhibit +series +arch +red +green +detector\n/);
    expect(stdout).toMatch(/^clear-young-dirty +v2→v3 +x86-pks +seen +not seen +oops$/m);
    expect(stdout).not.toContain("overlays-void");
    expect(stdout.split("\n").filter((line) => line.length > 100)).toEqual([]);
  });

  test.each<[string[], string, ...string[]]>([
    [["--id", "nothing"], "ERR_EXHIBIT", "nothing", "constructor-cannot-fail"],
    [["--id", "overlays-void", "--arch", "x86-pks"], "ERR_EXHIBIT", "overlays-void", "arm64-poe"],
    [["--replay", "garbage"], "ERR_EXHIBIT", "garbage"],
    [["--replay", "cpu-resume:red:riscv"], "ERR_EXHIBIT", "cpu-resume", "riscv"],
    [["--replay", "cpu-resume:red:x86-pks", "--id", "cpu-resume"], "ERR_USAGE", "--replay", "--id"],
    [["--arch", "riscv"], "ERR_USAGE", "'riscv'"],
  ])("rejects %j in one line, status 2", (flags, code, ...texts) => {
    expectRejection(["museum", ...flags], code, ...texts);
  });
});
