import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedTrace } from "@kpkeys/workloads/node";
import { afterAll, describe, expect, test } from "vitest";
import { BIN, kpkeys } from "../e2e/kpkeys.js";

const folder = mkdtempSync(join(tmpdir(), "kpkeys-more-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Runs a command line in the folder, with kpkeys as a shell function. */
function shell(command: string): { readonly status: number | null; readonly stdout: string } {
  const script = `kpkeys() { "${process.execPath}" "${BIN}" "$@"; }\n${command}`;
  return spawnSync("bash", ["-c", script], { cwd: folder, encoding: "utf8", maxBuffer: 2 ** 26 });
}

/** The commands in a report. */
function commandsOf(report: string): string[] {
  return [...report.matchAll(/^ +(?:more:|more| ) +(kpkeys .*)$/gm)].map((match) => match[1]!);
}

const SMALL = "--memory 256MiB --policy batched --arch arm64-poe";

describe("every command in the report of", () => {
  test.each([
    [`kpkeys run ${SMALL}`, 9],
    [
      `kpkeys replay "${embeddedTrace.trace}" ${SMALL} --series v8,next --check sampled --until 0.01s --sample 1 --seed 3`,
      7,
    ],
    [`kpkeys replay "${embeddedTrace.trace}" --arch x86-pks --memory 1GiB --policy off --cpus 2 --wrmsr-cycles 200`, 7],
    ["kpkeys show", 2],
  ])("%s runs", (command, count) => {
    const { status, stdout } = shell(command);
    expect(status).toBe(0);
    const commands = commandsOf(stdout);
    expect(commands).toHaveLength(count);
    expect(new Set(commands).size).toBe(count);
    for (const named of commands) expect([named, shell(named).status]).toEqual([named, 0]);
  });
});

test("the report of a pipe has only commands that do not read it", () => {
  const { stdout } = shell(`cat "${embeddedTrace.trace}" | kpkeys replay /dev/stdin ${SMALL}`);
  expect(commandsOf(stdout).map((command) => command.split(" ")[1])).toEqual(["kunit", "show", "overhead"]);
});

test("paths are quoted for the shell", () => {
  const path = join(folder, "it's $HOME.config");
  writeFileSync(path, "");
  const { stdout } = kpkeys("run", ...SMALL.split(" "), "--config", path);
  const kunit = commandsOf(stdout).find((command) => command.startsWith("kpkeys kunit"))!;
  expect(shell(kunit).status).toBe(0);
});
