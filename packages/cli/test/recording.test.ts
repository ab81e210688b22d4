import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { tracepointNames } from "@kpkeys/workloads";
import { readVmpte } from "@kpkeys/workloads/node";
import { afterAll, describe, expect, it } from "vitest";
import { chooseEvents, tracepointsIn } from "../src/recording/events.js";
import type { ChosenEvents } from "../src/recording/events.js";
import { recordingOf } from "../src/recording/perf.js";

const folder = mkdtempSync(join(tmpdir(), "kpkeys-recording-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** A folder of tracepoints, as in tracefs. */
function tracefs(name: string, events: readonly string[]): string {
  const root = join(folder, name);
  mkdirSync(join(root, "sched"), { recursive: true });
  for (const event of events) mkdirSync(join(root, event.replace(":", "/")), { recursive: true });
  return root;
}

function chosenOn(name: string, arch: NodeJS.Architecture, events: readonly string[]): ChosenEvents {
  return chooseEvents(tracepointNames, arch, tracepointsIn(["/nowhere", tracefs(name, events)]));
}

const RAW = ["raw_syscalls:sys_enter", "raw_syscalls:sys_exit"];
const isCall = (event: string): boolean => event.startsWith("syscalls:");
const isFault = (event: string): boolean => event.startsWith("exceptions:");
const command = (chosen: ChosenEvents): string =>
  recordingOf(["true"], { data: "d", text: "t", unread: "u" }, chosen).record.join(" ");
const script = (chosen: ChosenEvents): string =>
  recordingOf(["true"], { data: "d", text: "t", unread: "u" }, chosen).script.join(" ");

describe("the events of a recording", () => {
  it("are all that a replay reads, if the kernel has them", () => {
    const { events, sampled, leftOut } = chosenOn("x86", "x64", tracepointNames);
    const none = ["mmap2", "mmap_pgoff"].flatMap((call) => [`syscalls:sys_enter_${call}`, `syscalls:sys_exit_${call}`]);
    expect([...events, ...none].sort()).toEqual([...tracepointNames].sort());
    expect({ sampled, leftOut }).toEqual({ sampled: false, leftOut: [] });
  });

  it("include page-fault samples with addresses if the kernel has no tracepoints of faults", () => {
    const chosen = chosenOn(
      "arm64",
      "arm64",
      tracepointNames.filter((event) => !isFault(event) && !event.includes("fork")).concat("sched:sched_process_fork"),
    );
    expect(chosen.events).toContain("page-faults");
    expect(chosen.events.some((event) => isFault(event) || event.endsWith("_vfork"))).toBe(false);
    expect(chosen.leftOut.map(({ events }) => events)).toEqual([tracepointNames.filter(isFault)]);
    expect(command(chosen)).toMatch(/^perf record -m 2048 -c 1 -d -o d -e \S+,page-faults,\S+ -- true$/);
    expect(script(chosen)).toBe("perf script -F +addr -i d");
  });

  it("are the raw system calls if the kernel has no tracepoint for each call", () => {
    const chosen = chosenOn("raw", "x64", [...tracepointNames.filter((event) => !isCall(event)), ...RAW]);
    expect(chosen.events.slice(0, 2)).toEqual(RAW);
    expect(chosen.events.some(isCall)).toBe(false);
    expect(chosen.leftOut).toHaveLength(1);
    expect(chosen.leftOut[0]!.events.every(isCall)).toBe(true);
    expect(script(chosen)).toBe("perf script -i d");
  });

  it("list what is not recorded: calls of newer kernels, all calls, and thread switches", () => {
    const old = tracepointNames.filter((event) => !event.endsWith("_clone3"));
    const left = (name: string, events: readonly string[]): string[][] =>
      chosenOn(name, "x64", events).leftOut.map(({ events: missing }) => [...missing]);
    expect(left("old", old)).toEqual([["syscalls:sys_enter_clone3", "syscalls:sys_exit_clone3"]]);
    expect(
      left(
        "no-switch",
        tracepointNames.filter((event) => event !== "sched:sched_switch"),
      ),
    ).toEqual([["sched:sched_switch"]]);
    const nothing = chosenOn("nothing", "x64", []);
    expect(nothing.events).toEqual(["page-faults"]);
    expect(nothing.leftOut).toHaveLength(3);
  });

  it("are those of Linux on the architecture if no tracepoint can be listed", () => {
    expect(tracepointsIn(["/nowhere"])).toBeUndefined();
    expect(chooseEvents(tracepointNames, "x64").events).toContain("exceptions:page_fault_user");
    expect(chooseEvents(tracepointNames, "arm64").events).toContain("page-faults");
  });
});

const ACCOUNT = fileURLToPath(new URL("../data/account.pl", import.meta.url));
const account = join(folder, "a.vmpte.txt");
const unread = join(folder, "unread");
const trace = (...words: readonly string[]): { status: number | null; signal: string | null; stderr: string } =>
  spawnSync("perl", [ACCOUNT, account, unread, ...words], { encoding: "utf8" });

const probe = trace("true");
const canTrace = probe.status === 0;

describe.skipIf(!canTrace)(
  `the account of each process${canTrace ? "" : ` (needs perl and ptrace: ${probe.stderr.trim()})`}`,
  () => {
    it("has the processes that end by exit(), at their exit", () => {
      const { status } = trace("sh", "-c", "ls / > /dev/null; sh -c 'exit 3'; sh -c 'kill -9 $$'; exit 5");
      expect(status).toBe(5);
      const records = readVmpte(account);
      expect(records.map(({ name }) => name)).toEqual(["ls", "sh"]);
      for (const { pid, ppid, vmpteKb, vmrssKb, minorFaults } of records) {
        expect(pid).toBeGreaterThan(ppid);
        expect(vmpteKb % 4).toBe(0);
        for (const value of [vmpteKb, vmrssKb, minorFaults]) expect(value).toBeGreaterThan(10);
      }
      expect(readFileSync(unread, "utf8")).toBe("");
    });

    it("returns the exit status or the signal of the command", () => {
      expect(trace("sh", "-c", "kill -TERM $$")).toMatchObject({ status: null, signal: "SIGTERM" });
      expect(trace("/nowhere")).toMatchObject({ status: 127 });
    });
  },
);
