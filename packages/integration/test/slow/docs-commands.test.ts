import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { PAGES, partsOf, ROOT } from "../markdown.js";

/** A folder that looks like the clone, so that what a command writes stays out of the clone. */
const clone = mkdtempSync(join(tmpdir(), "kpkeys-docs-"));
for (const name of readdirSync(ROOT)) symlinkSync(join(ROOT, name), join(clone, name));
mkdirSync(join(clone, "tmp"));
afterAll(() => {
  rmSync(clone, { recursive: true, force: true });
});

/** Commands that the tests themselves are, or that replace what they run from. */
const OUTER =
  /^npm (ci|test|run (build|lint|format|coverage|docs|check:packages|rehearse|test:slow|mutation|fuzz|bench))\b/;

/** A command that a page shows, and the exit status that the text states: 0 unless a comment says `exits N`. */
interface Shown {
  readonly command: string;
  readonly status: number;
}

function commandsOf(page: string): Shown[] {
  return partsOf(page)
    .filter(({ fence }) => fence === "sh")
    .flatMap(({ text }) => text.replaceAll("\\\n", " ").split("\n"))
    .filter((line) => line.trim() !== "" && !OUTER.test(line))
    .map((command) => ({ command, status: Number(/# .*\bexits (\d+)/.exec(command)?.[1] ?? 0) }));
}

describe.each(PAGES.filter((page) => commandsOf(page).length > 0))("%s", (page) => {
  test.each(commandsOf(page))("$command", ({ command, status }) => {
    const env = { ...process.env, PATH: `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"]!}` };
    const run = spawnSync("bash", ["-c", command], { cwd: clone, env, stdio: ["ignore", "pipe", "pipe"] });
    expect({ status: run.status, stderr: run.status === status ? "" : run.stderr.toString() }).toEqual({
      status,
      stderr: "",
    });
  });
});
