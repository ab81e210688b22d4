import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { AttacksReport, KunitReport } from "../../src/index.js";
import { BIN, jsonOf, kpkeys, kpkeysReading } from "./kpkeys.js";

describe("kpkeys kunit", () => {
  test("prints the five cases of each architecture as one KTAP document", () => {
    const { status, stdout, stderr } = kpkeys("kunit");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).toMatch(/^KTAP version 1\n1\.\.2\n/);
    expect(stdout.match(/^ {8}ok \d write_\w+$/gm)).toHaveLength(10);
    expect(stdout.match(/^ {8}ok \d lazy_mmu_mode_\w+$/gm)).toHaveLength(14);
    expect(stdout).not.toContain("not ok");
  });

  test("has no page-table suite on kernels without the hardening", () => {
    const { status, document } = jsonOf("kunit", "--policy", "off");
    expect(status).toBe(0);
    for (const { failed, suites } of (document as KunitReport).arches) {
      expect(failed).toBe(0);
      expect(suites.map(({ name }) => name)).toEqual(["lazy_mmu_mode"]);
    }
  });

  test("lists, filters and shuffles cases, and writes JUnit XML", () => {
    const directory = mkdtempSync(join(tmpdir(), "kpkeys-"));
    try {
      const file = join(directory, "junit.xml");
      const one = ["kunit", "--arch", "x86-pks", "--filter", "kpkeys*.write_*_pmd"];
      const { stdout } = kpkeys(...one, "--list");
      expect(stdout).toBe("kpkeys_hardened_pgtables.write_vmemmap_pmd\nkpkeys_hardened_pgtables.write_user_pmd\n");
      const orders = ["1", "4"].map((seed) => kpkeys(...one, "--seed", seed).stdout);
      expect(new Set(orders).size).toBe(2);
      expect(kpkeys(...one, "--junit", file).status).toBe(0);
      expect(readFileSync(file, "utf8")).toContain('<testsuites name="kpkeys kunit" tests="2" failures="0"');
      expect(kpkeys(...one, "--junit", directory)).toMatchObject({ status: 2, stdout: "" });
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("rejects a filter without a case, and a config without a suite", () => {
    const directory = mkdtempSync(join(tmpdir(), "kpkeys-"));
    try {
      const config = join(directory, "config");
      writeFileSync(config, "# CONFIG_KUNIT is not set\n");
      for (const flags of [
        ["--filter", "nothing"],
        ["--config", config],
      ]) {
        const { status, stdout, stderr } = kpkeys("kunit", "--arch", "x86-pks", ...flags);
        expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
        expect(stderr).toMatch(/^kpkeys: ERR_KUNIT_EMPTY: .*\n$/);
      }
      writeFileSync(config, "# CONFIG_KPKEYS_HARDENED_PGTABLES_KUNIT_TEST is not set\n");
      const { stdout } = kpkeys("kunit", "--arch", "x86-pks", "--config", config, "--list");
      expect(stdout).toMatch(/^(lazy_mmu_mode\..*\n){7}$/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test("skips all cases on CPUs without pkeys, with the kernel's message", () => {
    const { status, stdout } = kpkeys("kunit", "--no-pkeys", "--arch", "arm64-poe");
    expect(status).toBe(0);
    expect(stdout.match(/ok \d write_\w+ # SKIP kpkeys are not supported$/gm)).toHaveLength(5);
  });
});

describe("kpkeys ktap", () => {
  test("finds no error in the document of kpkeys kunit, on stdin", () => {
    const { stdout } = kpkeys("kunit", "--series", "v5,v6,next");
    const { status, stdout: summary } = kpkeysReading(stdout, "ktap", "-");
    expect({ status, summary }).toEqual({
      status: 0,
      summary: expect.stringMatching(/^\d+ tests: \d+ passed, 0 failed, 0 skipped, 0 crashed; 0 errors\n$/) as string,
    });
  });

  test("prints errors with file and line, and fails for errors and failed tests", () => {
    const broken = kpkeysReading("KTAP version 1\n1..2\nok 2 a\n", "ktap", "-");
    expect(broken.status).toBe(1);
    expect(broken.stdout).toMatch(/^stdin:3: /m);
    const failed = kpkeysReading("KTAP version 1\n1..1\n# a: why\nnot ok 1 a\n", "ktap", "-", "--json");
    expect(failed.status).toBe(1);
    expect(JSON.parse(failed.stdout)).toMatchObject({ failed: 1, errors: [], tests: [{ name: "a", log: ["a: why"] }] });
  });

  test("rejects an input that it cannot read", () => {
    for (const [file, code] of [
      ["/no/such/file", "ERR_INPUT_MISSING"],
      ["/", "ERR_INPUT_KIND"],
      [process.execPath, "ERR_INPUT_KIND"],
    ] as const) {
      const { status, stdout, stderr } = kpkeys("ktap", file);
      expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
      expect(stderr).toContain(code);
    }
  });
});

describe("kpkeys attack", () => {
  test("is blocked everywhere with the hardening, and nowhere without it", () => {
    const { status, document } = jsonOf("attack", "--policy", "off,batched");
    expect(status).toBe(0);
    for (const arch of ["arm64-poe", "x86-pks"]) {
      const [off, batched] = (document as AttacksReport).arches.filter((machine) => machine.arch === arch);
      expect([off!.policy, batched!.policy]).toEqual(["off", "batched"]);
      expect(off).toMatchObject({ tried: batched!.tried, blocked: 0 });
      expect(batched).toMatchObject({ blocked: batched!.tried, gaps: [] });
    }
  });

  test("prints the stores that were not blocked by source", () => {
    const { status, stdout } = kpkeys("attack", "--series", "v7", "--arch", "arm64-poe");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ {2}static +54 +18 +36$/m);
    expect(stdout).toContain("Open, documented by the series:\n  arm64-poe v7: static ");
  });

  test("prints the text of the README", () => {
    const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
    const [, command, shown] = /^npx kpkeys (attack .*)\n```[^]*?```text\n([^]*?)```/m.exec(readme)!;
    const { status, stdout } = kpkeys(...command!.split(" "));
    expect({ status, stdout }).toEqual({ status: 0, stdout: shown });
  });
});

test("a reader that closes stdout early is no error", async () => {
  const child = spawn(process.execPath, [BIN, "run", "--json", "--arch", "x86-pks", "--policy", "off"]);
  child.stdout.destroy();
  let printed = "";
  child.stderr.on("data", (data: Buffer) => (printed += data.toString()));
  const status = await new Promise((resolve) => child.on("close", resolve));
  expect({ status, printed }).toEqual({ status: 0, printed: "" });
});
