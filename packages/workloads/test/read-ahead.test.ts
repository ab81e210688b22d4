import { existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import type * as Workloads from "../src/node/index.js";
import { EventBatch } from "../src/node/event-batch.js";
import { TraceEvent } from "../src/reader/event.js";
import { embeddedTrace, readTrace } from "../src/node/index.js";
import type { ReadTraceOptions } from "../src/index.js";

const BUILT = new URL("../dist/node/index.js", import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "read-ahead-"));

let readTraceAhead: typeof Workloads.readTraceAhead;

beforeAll(async () => {
  if (!existsSync(fileURLToPath(BUILT))) throw new Error("the reader thread runs dist: run `npm run build` first");
  ({ readTraceAhead } = (await import(BUILT.href)) as typeof Workloads);
});

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const line = (number: number, comm = "sh"): string =>
  `${comm} ${number} [000] 1.000000: syscalls:sys_enter_brk: brk: 0x${number.toString(16)}`;

/** Everything that a reader passes on. */
async function seenBy(read: typeof readTrace, path: string, options: ReadTraceOptions = {}): Promise<unknown[]> {
  const seen: unknown[] = [];
  const summary = await read(
    path,
    (event) => {
      const { kind, tid, pid, cpu, time, line: number } = event;
      const words = [...event.argHigh, ...event.argLow];
      seen.push([kind, tid, pid, cpu, time, number, words, event.comm(), event.text()]);
    },
    { ...options, onLost: (events) => seen.push(["lost", events]) },
  ).catch((error: unknown) => {
    const { code, message, where } = error as { code?: string; message: string; where?: string };
    return [code, message, where];
  });
  return [...seen, summary];
}

async function expectTheSame(path: string): Promise<unknown[]> {
  const ahead = await seenBy(readTraceAhead, path);
  expect(ahead).toEqual(await seenBy(readTrace, path));
  return ahead;
}

describe("readTraceAhead", () => {
  it("gives the events, the lost events and the summary of readTrace", async () => {
    expect((await expectTheSame(embeddedTrace.trace)).length).toBeGreaterThan(1000);
    const many = Array.from({ length: 50_000 }, (_, i) => (i % 1000 === 999 ? "CPU 0 [LOST 7 EVENTS]" : line(i)));
    await expectTheSame(file("lost.txt", `${many.join("\n")}\n`));
  });

  it("passes names of any length", async () => {
    const long = "x".repeat(400_000);
    const lines = [1, 2, 3, 4, 5, 6].map((number) => line(number, number % 2 === 0 ? long : "sh"));
    await expectTheSame(file("long.txt", `${lines.join("\n")}\n`));
  });

  it("gives the errors of readTrace, after the same events", async () => {
    await expectTheSame(join(folder, "no such file"));
    await expectTheSame(folder);
    await expectTheSame(file("empty.txt", "\n\n"));
    const damaged = `${line(1)}\n${line(2).replace("0x2", "0xzz")}\n`;
    expect((await expectTheSame(file("damaged.txt", damaged))).at(-1)).toContain("ERR_TRACE_LINE");
    const whole = gzipSync(Array.from({ length: 20_000 }, (_, i) => line(i)).join("\n"));
    const cut = await expectTheSame(file("cut.txt.gz", whole.subarray(0, whole.length / 2)));
    expect(cut.at(-1)).toContain("ERR_INPUT_TRUNCATED");
    await expectTheSame(embeddedTrace.trace);
  });

  it("passes no event after `enough`", async () => {
    const path = file("enough.txt", `${Array.from({ length: 100_000 }, (_, i) => line(i)).join("\n")}\n`);
    for (const wanted of [1, 5000, 99_999]) {
      let taken = 0;
      await readTraceAhead(path, () => taken++, { enough: () => taken === wanted });
      expect(taken).toBe(wanted);
    }
  });

  it("ends in a stretch without events, like readTrace", async () => {
    const path = file("quiet.txt.gz", gzipSync(`${line(1)}\n${"\n".repeat(24 << 20)}${line(2)}\n`, { level: 1 }));
    for (const read of [readTrace, readTraceAhead]) {
      let taken = 0;
      let asked = 0;
      const summary = await read(path, () => taken++, { enough: () => ++asked === 3 });
      expect(taken).toBe(1);
      expect(summary.bytes).toBeLessThan(20 << 20);
    }
  });

  it("rejects with the error of the sink, and can be called again", async () => {
    const path = file("thrown.txt", `${Array.from({ length: 100_000 }, (_, i) => line(i)).join("\n")}\n`);
    const failing = readTraceAhead(path, ({ line: number }) => {
      if (number === 10_000) throw new Error("full");
    });
    await expect(failing).rejects.toThrow("full");
    let taken = 0;
    await readTraceAhead(path, () => taken++);
    expect(taken).toBe(100_000);
  });

  it("reads several recordings at once and reports progress", async () => {
    const shares: number[] = [];
    const onProgress = (consumed: number, size: number): void => void shares.push(consumed / size);
    const all = await Promise.all([1, 2, 3].map(() => seenBy(readTraceAhead, embeddedTrace.trace, { onProgress })));
    const expected = await seenBy(readTrace, embeddedTrace.trace);
    for (const each of all) expect(each).toEqual(expected);
    expect(Math.max(...shares)).toBe(1);
  });
});

describe("a batch", () => {
  it("has no room for an event with too long names, unless it is empty", () => {
    const named = (length: number): TraceEvent =>
      Object.assign(new TraceEvent(), { bytes: new Uint8Array(2 ** 20), commEnd: length });
    const batch = new EventBatch();
    expect(batch.fits(named(2 ** 20))).toBe(true);
    batch.add(named(2 ** 20 - 5));
    expect([6, 5].map((length) => batch.fits(named(length)))).toEqual([false, true]);
    batch.clear();
    for (let record = 0; record < 4096; record++) batch.addLost(1);
    expect([batch.fits(named(0)), batch.fitsLost()]).toEqual([false, false]);
  });
});
