import { describe, expect, test } from "vitest";
import { kpkeys } from "./kpkeys.js";

describe("kpkeys museum", () => {
  test("prints a table of the exhibits that fits into 100 columns", () => {
    const { status, stdout, stderr } = kpkeys("museum", "--arch", "x86-pks");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^exhibit +series +arch +red +green +detector\n/);
    expect(stdout).toMatch(/^clear-young-dirty +v2→v3 +x86-pks +seen +not seen +oops$/m);
    expect(stdout).toMatch(/every red side shows its bug, and no green side does\.\n$/);
    expect(stdout).not.toContain("overlays-void");
    expect(stdout.split("\n").filter((line) => line.length > 100)).toEqual([]);
  });

  test.each([
    [["--id", "nothing"], /^kpkeys: ERR_EXHIBIT: .*'nothing'; expected constructor-cannot-fail, /],
    [["--id", "overlays-void", "--arch", "x86-pks"], /ERR_EXHIBIT: .*'overlays-void'.*'x86-pks'; expected arm64-poe$/],
    [["--replay", "garbage"], /ERR_EXHIBIT: "garbage".*; expected EXHIBIT:red\|green:/],
    [["--replay", "cpu-resume:red:riscv"], /ERR_EXHIBIT: .*'cpu-resume'.*'riscv'; expected arm64-poe, x86-pks$/],
    [
      ["--replay", "cpu-resume:red:x86-pks", "--id", "cpu-resume"],
      /ERR_USAGE: .*--replay.* cannot be used with option '--id/,
    ],
    [["--arch", "riscv"], /no architecture 'riscv'/],
  ])("refuses %j in one line, status 2", (flags, message) => {
    const { status, stdout, stderr } = kpkeys("museum", ...flags);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr.trimEnd()).toMatch(message);
    expect(stderr.trimEnd()).not.toContain("\n");
  });
});
