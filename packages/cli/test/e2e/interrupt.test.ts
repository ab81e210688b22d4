import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import {
  createWriteStream,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setImmediate } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { embeddedTrace } from "@kpkeys/workloads/node";
import { afterAll, describe, expect, test } from "vitest";
import type { RunReport } from "../../src/index.js";
import { machinesOf, packetsOf } from "../perfetto.js";
import { BIN } from "./kpkeys.js";

/** The result of a command that received signals. */
interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

function start(...args: string[]): { readonly child: ChildProcess; readonly ended: Promise<Ended> } {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const closed = new Promise<Pick<Ended, "status" | "signal">>((resolve) => {
    child.once("close", (status, signal) => {
      resolve({ status, signal });
    });
  });
  const ended = Promise.all([closed, text(child.stdout), text(child.stderr)]).then(([how, stdout, stderr]) => ({
    ...how,
    stdout,
    stderr,
  }));
  return { child, ended };
}

const gcc = gunzipSync(readFileSync(embeddedTrace.trace));
const directory = mkdtempSync(join(tmpdir(), "kpkeys-"));
afterAll(() => {
  rmSync(directory, { recursive: true });
});

describe.skipIf(process.platform === "win32")("Ctrl-C during a recording without end", () => {
  /** Starts a command on a pipe and writes the recording into the pipe repeatedly. Returns after the command has opened it. */
  async function onEndlessPipe(name: string, ...args: string[]) {
    const pipe = join(directory, name);
    execFileSync("mkfifo", [pipe]);
    const command = start(
      args[0]!,
      pipe,
      ...args.slice(1),
      "--arch",
      "x86-pks",
      "--policy",
      "batched",
      "--memory",
      "1GiB",
    );
    const writer = createWriteStream(pipe);
    writer.on("error", () => undefined);
    await new Promise((resolve) => writer.once("open", resolve));
    const written = (async () => {
      while (!writer.destroyed) {
        if (!writer.write(gcc))
          await new Promise<void>((resolve) => writer.once("drain", resolve).once("close", resolve));
        await setImmediate();
      }
    })();
    return { ...command, written };
  }

  test("prints a partial report and ends with status 130", async () => {
    const { child, ended, written } = await onEndlessPipe("json", "run", "--json");
    child.kill("SIGINT");
    const { status, stdout, stderr } = await ended;
    await written;
    expect({ status, stderr }).toEqual({ status: 130, stderr: "" });
    const { partial, notRun, trace, arches } = JSON.parse(stdout) as RunReport;
    expect({ partial, notRun }).toEqual({ partial: true, notRun: [] });
    expect(trace.events).toBeGreaterThan(0);
    const [x86] = arches;
    expect(x86!.policies.batched!.events).toBe(trace.events);
    expect(x86!.attack!.blocked).toBe(x86!.attack!.tried);
    expect(x86!.kunit).toEqual({ passed: 5, failed: 0, skipped: 0 });
  });

  test("prints a partial text, and ends every slice of the timeline", async () => {
    const timeline = join(directory, "timeline");
    const { child, ended, written } = await onEndlessPipe("text", "replay", "--trace-out", timeline);
    child.kill("SIGINT");
    const { status, stdout } = await ended;
    await written;
    expect(status).toBe(130);
    expect(stdout).toMatch(/^Partial: /m);
    const [machine] = machinesOf(packetsOf(readFileSync(timeline)));
    expect(machine!.events.length).toBeGreaterThan(0);
  });
});

/** Whether a process has a file open, from /proc. */
function hasOpen({ pid }: ChildProcess, file: string): boolean {
  const descriptors = `/proc/${pid!}/fd`;
  return readdirSync(descriptors).some((fd) => {
    try {
      return readlinkSync(`${descriptors}/${fd}`) === file;
    } catch {
      return false;
    }
  });
}

describe.skipIf(!existsSync("/proc/self/fd"))("Ctrl-C during a long recording", () => {
  const long = join(directory, "long.perf-script.txt.gz");
  // A gzip file may have several members: this is the recording repeated to four million events.
  writeFileSync(long, Buffer.concat(Array.from({ length: 1000 }, () => readFileSync(embeddedTrace.trace))));

  async function untilOpen(child: ChildProcess): Promise<void> {
    while (!hasOpen(child, long)) await setImmediate();
  }

  test("stops every worker and starts no further machine", async () => {
    const { child, ended } = start("replay", long, "--json", "--memory", "1GiB", "--workers", "2");
    await untilOpen(child);
    child.kill("SIGINT");
    const { status, stdout } = await ended;
    expect(status).toBe(130);
    const { partial, notRun, arches } = JSON.parse(stdout) as RunReport;
    expect(partial).toBe(true);
    expect(notRun).toHaveLength(4);
    expect(arches.map(({ arch, checked, policies }) => [arch, checked, Object.keys(policies)])).toEqual([
      ["arm64-poe", "batched", ["batched"]],
      ["x86-pks", "batched", ["batched"]],
    ]);
    // Not known if the replay stopped before the first fault of the recording.
    for (const { coverage } of arches) {
      const { pages, keyed, readOnly } = coverage;
      if (pages === null) expect([keyed, readOnly]).toEqual([null, null]);
      else expect(keyed! + readOnly!).toBe(pages);
    }
  });

  test("ends the command without a report the second time", async () => {
    const { child, ended } = start("replay", long, "--json", "--memory", "1GiB", "--workers", "1");
    await untilOpen(child);
    // A pending signal absorbs a second one, so send until the process ends.
    while (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGINT");
      await setImmediate();
    }
    const { signal, stdout } = await ended;
    expect({ signal, stdout }).toEqual({ signal: "SIGINT", stdout: "" });
  });
});
