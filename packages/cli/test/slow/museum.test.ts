import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { MuseumReplay, MuseumReport } from "../../src/index.js";
import { jsonOf, kpkeys } from "../e2e/kpkeys.js";

describe("kpkeys museum", () => {
  test("prints each exhibit as JSON with both sides on each of its architectures", () => {
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

  test("prints one exhibit with its story, its fix and the traces", () => {
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

  test("has the exhibits of the README's examples", () => {
    const section = readFileSync(new URL("../../README.md", import.meta.url), "utf8").split("## The bug museum")[1]!;
    const commands = /```sh\n([^]*?)```/.exec(section)![1]!.trim().split("\n");
    for (const command of commands.slice(1)) {
      expect(kpkeys(...command.split(" ").slice(2)).status).toBe(0);
    }
  });
});
