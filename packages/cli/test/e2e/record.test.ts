import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { embeddedTrace } from "@kpkeys/workloads/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kpkeysWith } from "./kpkeys.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "kpkeys-perf-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A fake perf: `record` runs the command, `script` prints the bundled recording. */
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
  it("prints the commands, runs them, and reports how the workload ended", () => {
    const { status, stdout, stderr } = kpkeysWith(fakePerf(WORKING), ["record", ...FLAGS, "--", "echo", "it's a job"]);
    expect(stdout).toMatch(
      /^perf record -m 2048 -o \S+ -e syscalls:sys_enter_mmap,\S+sched:sched_switch -- echo 'it'\\''s a job'$/m,
    );
    expect(stdout).toMatch(/^perf script -i \S+ > \S+$/m);
    expect(stdout).toMatch(/4,264 events of 5 processes/);
    expect(stdout).toMatch(/^the workload ended with exit status 0$/m);
    expect(stderr).toBe("it's a job\n");
    expect(status).toBe(0);
    expect(readdirSync(folder)).toEqual(["perf"]);
  });

  it("prints only the report with --json, and keeps the recording in --output, also if the workload fails", () => {
    const output = join(folder, "kept.txt");
    const args = ["record", ...FLAGS, "--json", "--output", output, "--", "sh", "-c", "echo out; exit 3"];
    const { status, stdout } = kpkeysWith(fakePerf(WORKING), args);
    expect(JSON.parse(stdout)).toMatchObject({
      trace: { name: "kept", events: 4264 },
      recording: { command: ["sh", "-c", "echo out; exit 3"], exitStatus: 3, signal: null, account: null },
    });
    expect(status).toBe(0);
    expect(readFileSync(output, "utf8")).toMatch(/sched_process_exec/);
    rmSync(output);
  });

  it("fails without perf, after printing the commands", () => {
    const { status, stdout, stderr } = kpkeysWith({ PATH: "/nowhere" }, ["record", "--", "make", "-j2"]);
    expect(stdout).toMatch(/^perf record .* -- make -j2$/m);
    expect(stderr).toMatch(/^kpkeys: ERR_RECORD: record: .*\n$/);
    expect(status).toBe(2);
  });

  it("prints the strace command, which does not need perf", () => {
    const { stderr } = kpkeysWith({ PATH: "/nowhere" }, ["record", "--", "echo", "it's a job"]);
    expect(stderr).toContain(
      "strace -f -ttt -e trace=%memory,%process -o recording.strace.txt echo 'it'\\''s a job' && kpkeys run recording.strace.txt\n",
    );
  });

  it("rejects a workload that cannot be run, and a missing folder for temporary files", () => {
    const missing = kpkeysWith(fakePerf(WORKING), ["record", "--", "/nowhere/make"]);
    expect(missing.stderr).toMatch(/^kpkeys: ERR_RECORD: record: \/nowhere\/make /);
    const noFolder = kpkeysWith({ ...fakePerf(WORKING), TMPDIR: join(folder, "none") }, ["record", "--", "true"]);
    expect(noFolder.stderr).toMatch(/^kpkeys: ERR_OUTPUT: /);
    expect([missing.status, noFolder.status]).toEqual([2, 2]);
  });

  it("fails if perf may not record", () => {
    const { status, stderr } = kpkeysWith(fakePerf('echo "No permission" >&2; exit 255'), ["record", "--", "true"]);
    expect(stderr).toMatch(/^No permission\nkpkeys: ERR_RECORD: record: .*\(exit status 255\)/);
    expect(status).toBe(2);
    expect(existsSync(join(folder, "perf.data"))).toBe(false);
  });
});

/** Whether perf can record tracepoints on this machine. */
const real = spawnSync("perf", ["record", "-o", "/dev/null", "-e", "sched:sched_switch", "perl", "-e", ""]);

describe.skipIf(real.status !== 0)(
  "kpkeys record, with the perf of this machine (skipped if it may not record)",
  () => {
    it("compares each process with the kernel's account", () => {
      const output = join(folder, "own.perf-script.txt");
      const args = [
        "record",
        ...FLAGS,
        "--account",
        "--json",
        "--output",
        output,
        "--",
        "sh",
        "-c",
        "ls / > /dev/null; exit 4",
      ];
      const { status, stdout } = kpkeysWith({}, args);
      const { recording, arches } = JSON.parse(stdout) as {
        recording: object;
        arches: { linux: { processes: number; equal: number } }[];
      };
      expect(recording).toMatchObject({ exitStatus: 4, account: { processes: 2, unread: 0 } });
      expect(arches[0]!.linux.processes).toBe(2);
      expect(readFileSync(join(folder, "own.vmpte.txt"), "utf8")).toMatch(/^\d+ \d+ ls \d+ \d+ \d+$/m);
      expect(status).toBe(0);
    });
  },
);
