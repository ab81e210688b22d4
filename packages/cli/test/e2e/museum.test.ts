import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { MuseumReplay, MuseumReport } from "../../src/index.js";
import { jsonOf, kpkeys, LONG } from "./kpkeys.js";

describe("kpkeys museum", () => {
  test("prints a table of the exhibits that fits into 100 columns", { timeout: LONG }, () => {
    const { status, stdout, stderr } = kpkeys("museum", "--arch", "x86-pks");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^exhibit +series +arch +red +green +detector\n/);
    expect(stdout).toMatch(/^clear-young-dirty +v2→v3 +x86-pks +seen +not seen +oops$/m);
    expect(stdout).toMatch(/every red side shows its bug, and no green side does\.\n$/);
    expect(stdout).not.toContain("overlays-void");
    expect(stdout.split("\n").filter((line) => line.length > 100)).toEqual([]);
  });

  test("gives each exhibit as JSON with both sides on each of its architectures", { timeout: LONG }, () => {
    const { status, document } = jsonOf("museum");
    expect(status).toBe(0);
    const { exhibits } = document as MuseumReport;
    expect(exhibits.length).toBeGreaterThanOrEqual(18);
    for (const { arches, red, green, sides, ...rest } of exhibits) {
      expect(Object.keys(rest)).toEqual(["id", "title", "series"]);
      expect(sides.map(({ arch }) => arch)).toEqual(arches);
      expect(sides[0]).toEqual({ arch: arches[0], red, green });
      for (const side of sides) {
        expect([side.red.seen, side.green.seen]).toEqual([true, false]);
        expect([side.red.evidence, side.green.evidence]).not.toContain("");
      }
    }
  });

  test("shows one exhibit with its story, its fix and the traces", () => {
    const { status, stdout } = kpkeys("museum", "--id", "irq-exit-resume", "--arch", "arm64-poe");
    expect(status).toBe(0);
    for (const name of ["series", "source", "story", "fix", "detector"]) {
      expect(stdout).toMatch(new RegExp(`^${name} +\\S`, "m"));
    }
    expect(stdout).toContain("irq-exit-resume, red, arm64-poe: the bug is seen\n");
    expect(stdout).toContain("irq-exit-resume, green, arm64-poe: the bug is not seen\n");
    expect(stdout).toContain("ESR_EL1=0x000000409600004f");
    expect(stdout.split("\n").filter((line) => line.length > 100)).toEqual([]);
    const { document } = jsonOf("museum", "--id", "irq-exit-resume", "--arch", "arm64-poe");
    const [exhibit] = (document as MuseumReport).exhibits;
    expect(exhibit).toMatchObject({ detector: "oops", citation: expect.stringContaining("v7 cover letter") as string });
    expect(exhibit!.red.trace).toContain("an interrupt arrives");
  });

  test.each(["red", "green"])("runs a %s side again from its replay string alone", (side) => {
    const replay = `vmemmap-tables:${side}:x86-pks`;
    const { status, document } = jsonOf("museum", "--replay", replay);
    expect(status).toBe(0);
    const { seen, evidence, ...run } = document as MuseumReplay;
    expect(run).toMatchObject({ id: "vmemmap-tables", side, arch: "x86-pks", replay });
    expect(seen).toBe(side === "red");
    expect(kpkeys("museum", "--replay", replay).stdout).toContain(`    ${evidence.split("\n")[0]!}`);
  });

  test.each([
    [["--id", "nothing"], /^kpkeys: ERR_EXHIBIT: there is no exhibit 'nothing'; expected constructor-cannot-fail, /],
    [
      ["--id", "overlays-void", "--arch", "x86-pks"],
      /ERR_EXHIBIT: exhibit 'overlays-void' is not on 'x86-pks'; expected arm64-poe$/,
    ],
    [["--replay", "garbage"], /ERR_EXHIBIT: "garbage" is no replay string; expected EXHIBIT:red\|green:/],
    [
      ["--replay", "cpu-resume:red:riscv"],
      /ERR_EXHIBIT: exhibit 'cpu-resume' is not on 'riscv'; expected arm64-poe, x86-pks$/,
    ],
    [
      ["--replay", "cpu-resume:red:x86-pks", "--id", "cpu-resume"],
      /ERR_USAGE: .*--replay.* cannot be used with option '--id/,
    ],
    [["--arch", "riscv"], /There is no architecture 'riscv'/],
  ])("refuses %j in one line, status 2", (flags, message) => {
    const { status, stdout, stderr } = kpkeys("museum", ...flags);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr.trimEnd()).toMatch(message);
    expect(stderr.trimEnd()).not.toContain("\n");
  });

  test("has the exhibits that the README's examples name", () => {
    const section = readFileSync(new URL("../../README.md", import.meta.url), "utf8").split("## The bug museum")[1]!;
    const commands = /```sh\n([^]*?)```/.exec(section)![1]!.trim().split("\n");
    for (const command of commands.slice(1)) {
      expect(kpkeys(...command.split(" ").slice(2)).status).toBe(0);
    }
  });
});
