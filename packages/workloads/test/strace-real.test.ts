import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { expectAccounted, readText } from "./perf-script-oracle.js";

const folder = mkdtempSync(join(tmpdir(), "kpkeys-strace-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const WORKLOAD = ["sh", "-c", "ls / > /dev/null; (exit 3); sleep 0.01 & sh -c 'kill -9 $$'; wait"];

/** The text of strace for the workload, from a file or from stderr. */
function traced(options: readonly string[], toFile: boolean): string {
  const file = join(folder, "strace.txt");
  const { stderr } = spawnSync("strace", ["-f", ...options, ...(toFile ? ["-o", file] : []), ...WORKLOAD], {
    encoding: "utf8",
  });
  return toFile ? readFileSync(file, "utf8") : stderr;
}

const runs = spawnSync("strace", ["-f", "-o", "/dev/null", "true"]).status === 0;

describe.skipIf(!runs)(`the strace of this machine${runs ? "" : " (missing, or not permitted to trace)"}`, () => {
  const forms = [
    "",
    "-ttt",
    "-tt -T",
    "-r",
    "-t -r",
    "-Y -y",
    "--decode-pids=pidns,comm -yy",
    "-n -i",
    "-X verbose",
    "-e trace=%memory,%process",
  ];

  it.each(forms.flatMap((options) => [[options, "a file", true] as const, [options, "stderr", false] as const]))(
    "with -f %s, to %s, is read completely",
    (options, _, toFile) => {
      const { summary, events } = readText(traced(options.split(" ").filter(Boolean), toFile));
      // The shell prints a message about the killed process to stderr.
      expect(summary.unreadable).toBeLessThanOrEqual(toFile ? 0 : 1);
      expectAccounted(summary);
      expect(summary.kinds).toMatchObject({ sched_process_fork: 4, sched_process_exit: 5, sys_enter_exit_group: 4 });
      const children = events.filter(({ event }) => event === "sched:sched_process_fork").map(({ args }) => args[1]);
      const ended = events.filter(({ event }) => event === "sched:sched_process_exit").map(({ args }) => args[0]);
      expect(ended).toEqual(expect.arrayContaining(children));
    },
  );
});
