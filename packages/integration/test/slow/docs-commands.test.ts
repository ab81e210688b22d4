import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { PAGES, partsOf, ROOT } from "../markdown.js";

/** A folder that looks like the root of the clone, so that what a command writes there stays out of the clone. */
const clone = mkdtempSync(join(tmpdir(), "kpkeys-docs-"));
for (const name of readdirSync(ROOT)) symlinkSync(join(ROOT, name), join(clone, name));
afterAll(() => {
  rmSync(clone, { recursive: true, force: true });
});

/** Commands not run here: one replaces the packages that this test runs from, the other is the quick suite. CI runs both. */
const STAGES_OF_CI = ["npm ci", "npm test"];

/** A command that a page shows. */
interface Shown {
  /** The command without its comment. */
  readonly command: string;
  /** The exit status that the page states: 0 unless the comment has `exits N`. */
  readonly status: number;
}

function commandsOf(page: string): Shown[] {
  return partsOf(page)
    .filter(({ fence }) => fence === "sh")
    .flatMap(({ text }) => text.replaceAll("\\\n", " ").split("\n"))
    .map((line) => ({
      command: line.replace(/\s+#.*$/, ""),
      status: Number(/# .*\bexits (\d+)/.exec(line)?.[1] ?? 0),
    }))
    .filter(({ command }) => command !== "");
}

describe.each(PAGES.filter((page) => commandsOf(page).length > 0))("%s", (page) => {
  for (const { command, status } of commandsOf(page)) {
    test.skipIf(STAGES_OF_CI.includes(command))(command, () => {
      const run = spawnSync("bash", ["-c", command], { cwd: clone, stdio: ["ignore", "ignore", "pipe"] });
      expect({ status: run.status, stderr: run.status === status ? "" : run.stderr.toString() }).toEqual({
        status,
        stderr: "",
      });
    });
  }
});
