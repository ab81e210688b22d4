import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedTrace } from "@kpkeys/workloads";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kpkeysWith, LONG } from "./kpkeys.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "kpkeys-perf-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A perf that runs the command it is to record, and prints the embedded trace when asked for the recording. */
function fakePerf(script: string): Record<string, string> {
  const path = join(folder, "perf");
  writeFileSync(path, `#!/bin/sh\n${script}\n`);
  chmodSync(path, 0o755);
  return { PATH: `${folder}:${process.env["PATH"] ?? ""}`, TMPDIR: folder };
}

const WORKING = `case $1 in
record)
  while [ "$1" != -o ]; do shift; done; data=$2
  while [ "$1" != -- ]; do shift; done; shift
  echo PERFILE2 > "$data"; "$@" ;;
script)
  [ -s "$3" ] && zcat '${embeddedTrace.trace}' ;;
esac`;

const FLAGS = ["--arch", "x86-pks", "--policy", "off", "--memory", "1GiB"];

describe("kpkeys record", () => {
  it(
    "prints the commands, runs them, and reports what the workload did",
    () => {
      const { status, stdout, stderr } = kpkeysWith(fakePerf(WORKING), [
        "record",
        ...FLAGS,
        "--",
        "echo",
        "it's a job",
      ]);
      expect(stdout).toMatch(
        /^perf record -m 2048 -o \S+ -e syscalls:sys_enter_mmap,\S+sched:sched_switch -- echo 'it'\\''s a job'$/m,
      );
      expect(stdout).toMatch(/^perf script -i \S+ > \S+$/m);
      expect(stdout).toMatch(/4,264 events of 5 processes/);
      expect(stderr).toBe("it's a job\n");
      expect(status).toBe(0);
      expect(readdirSync(folder)).toEqual(["perf"]);
    },
    LONG,
  );

  it(
    "prints nothing but the report with --json, and keeps the recording where it is told to, whatever the workload's status",
    () => {
      const output = join(folder, "kept.txt");
      const args = ["record", ...FLAGS, "--json", "--output", output, "--", "sh", "-c", "echo out; exit 3"];
      const { status, stdout } = kpkeysWith(fakePerf(WORKING), args);
      expect(JSON.parse(stdout)).toMatchObject({ trace: { name: "kept", events: 4264 } });
      expect(status).toBe(0);
      expect(readFileSync(output, "utf8")).toMatch(/sched_process_exec/);
      rmSync(output);
    },
    LONG,
  );

  it("says that there is no perf, after it has told how to record elsewhere", () => {
    const { status, stdout, stderr } = kpkeysWith({ PATH: "/nowhere" }, ["record", "--", "make", "-j2"]);
    expect(stdout).toMatch(/^perf record .* -- make -j2$/m);
    expect(stderr).toMatch(/^kpkeys: ERR_RECORD: record: there is no perf on the PATH; expected perf .*\n$/);
    expect(status).toBe(2);
  });

  it("says so when perf may not record", () => {
    const { status, stderr } = kpkeysWith(fakePerf('echo "No permission" >&2; exit 255'), ["record", "--", "true"]);
    expect(stderr).toMatch(/^No permission\nkpkeys: ERR_RECORD: record: perf recorded nothing \(exit status 255\); /);
    expect(status).toBe(2);
    expect(existsSync(join(folder, "perf.data"))).toBe(false);
  });
});
