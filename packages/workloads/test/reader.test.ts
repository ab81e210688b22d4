import { execFileSync, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { KpkeysError, printable } from "@kpkeys/core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TraceSummary } from "../src/index.js";
import { embeddedTrace, readTrace } from "../src/node/index.js";
import { plain, type PlainEvent, unpack } from "./perf-script-oracle.js";

const folder = mkdtempSync(join(tmpdir(), "kpkeys-reader-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function written(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function collect(path: string): Promise<{ events: PlainEvent[]; summary: TraceSummary }> {
  const events: PlainEvent[] = [];
  const summary = await readTrace(path, (event) => events.push(plain(event)));
  return { events, summary };
}

/** Reads a file that is an error. @returns the error, whose message is one printable line that begins with the path */
async function refusal(path: string): Promise<KpkeysError> {
  const error: unknown = await readTrace(path, () => undefined).then(
    () => new Error(`${path} was read`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof KpkeysError)) throw error as Error;
  expect(printable(error.message)).toBe(error.message);
  expect(error.message.startsWith(path)).toBe(true);
  return error;
}

/** @returns the number of open files of this process; 0 on a system without /proc */
const openFiles = (): number => (existsSync("/proc/self/fd") ? readdirSync("/proc/self/fd").length : 0);

const text = unpack(embeddedTrace.trace);
const gzip = readFileSync(embeddedTrace.trace);

describe("a trace file", () => {
  it("gives the same result plain, compressed, compressed in several members, and for every file name", async () => {
    const half = 200_001;
    const compressed = await collect(embeddedTrace.trace);
    expect(compressed.summary).toMatchObject({ name: "gcc-hello", events: 4264, lines: 4264, bytes: text.length });
    for (const [name, content] of [
      ["gcc-hello.txt", text],
      ["gcc-hello.perf-script.txt", text],
      ["gcc-hello.gz", text],
      ["gcc-hello.txt.gz", Buffer.concat([gzipSync(text.subarray(0, half)), gzipSync(text.subarray(half))])],
      ["gcc-hello", gzipSync(text)],
    ] as const) {
      expect(await collect(written(name, content)), name).toEqual(compressed);
    }
  });

  it("may be a pipe", async () => {
    const pipe = join(folder, "pipe.txt");
    execFileSync("mkfifo", [pipe]);
    spawn("sh", ["-c", 'zcat "$0" > "$1"', embeddedTrace.trace, pipe]);
    expect((await readTrace(pipe, () => undefined)).events).toBe(4264);
  });

  it("reports progress up to the size of the file", async () => {
    for (const path of [embeddedTrace.trace, written("plain.txt", text)]) {
      const size = readFileSync(path).length;
      const progress: [number, number][] = [];
      await readTrace(path, () => undefined, { onProgress: (consumed, total) => progress.push([consumed, total]) });
      expect(progress.every(([, total]) => total === size)).toBe(true);
      expect(progress.map(([consumed]) => consumed)).toEqual(
        progress.map(([consumed]) => consumed).sort((a, b) => a - b),
      );
      expect(progress.at(-1)).toEqual([size, size]);
    }
  });

  it("is closed after an error of the sink, and rejects with that error", async () => {
    const before = openFiles();
    for (const path of [embeddedTrace.trace, written("plain.txt", text)]) {
      const thrown = Object.assign(new Error("the sink is full"), { code: "ENOENT" });
      await expect(
        readTrace(path, () => {
          throw thrown;
        }),
      ).rejects.toBe(thrown);
    }
    expect(openFiles()).toBe(before);
  });
});

describe("a file is an error", () => {
  let before = 0;
  beforeAll(() => {
    before = openFiles();
  });
  afterAll(() => {
    expect(openFiles()).toBe(before);
  });

  it("if it does not exist or cannot be opened", async () => {
    expect(await refusal(join(folder, "nowhere"))).toMatchObject({ code: "ERR_INPUT_MISSING" });
    expect(await refusal(join(written("file", ""), "below"))).toMatchObject({ code: "ERR_INPUT_MISSING" });
    symlinkSync("loop", join(folder, "loop"));
    expect(await refusal(join(folder, "loop"))).toMatchObject({ code: "ERR_INPUT_MISSING", cause: { code: "ELOOP" } });
  });

  it.skipIf(process.getuid?.() === 0)("without read permission (needs a user other than root)", async () => {
    const path = written("secret", text);
    execFileSync("chmod", ["0", path]);
    expect(await refusal(path)).toMatchObject({ code: "ERR_INPUT_MISSING" });
  });

  it("if it is a directory", async () => {
    mkdirSync(join(folder, "directory"));
    expect(await refusal(join(folder, "directory"))).toMatchObject({ code: "ERR_INPUT_KIND" });
  });

  it("if it is perf.data: the message has the command that converts it", async () => {
    const path = written("perf.data", Buffer.concat([Buffer.from("PERFILE2h\0\0\0\0\0\0\0"), Buffer.alloc(8000)]));
    const error = await refusal(path);
    expect(error).toMatchObject({ code: "ERR_INPUT_KIND" });
    expect(error.message).toContain(`perf script -i ${path}`);
    expect(await refusal(written("perf.data.gz", gzipSync(readFileSync(path))))).toMatchObject({
      code: "ERR_INPUT_KIND",
    });
  });

  it.each([
    ["zstd", Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x01])],
    ["xz", Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00])],
    ["bzip2", Buffer.from("BZh91AY&SY")],
    ["zip", Buffer.from("PK\x03\x04\x14\0")],
    ["ELF", readFileSync(process.execPath).subarray(0, 20_000)],
    ["gzip in gzip", gzipSync(gzip)],
    ["trace-cmd", Buffer.from("\x17\x08\x44tracing6\0")],
    ["binary", Buffer.from("one\0line\nanother\n")],
    ["binary", Uint8Array.from({ length: 5000 }, (_, index) => (index * index * 7 + index) % 251)],
    ["binary", Buffer.from("a line of a trace\n".repeat(40), "utf16le")],
  ])("if it is %s", async (what, content) => {
    const error = await refusal(written("file", content));
    expect(error).toMatchObject({ code: "ERR_INPUT_KIND" });
    expect(error.message).toContain(what);
  });

  it("if it has no event", async () => {
    const call = "             gcc 21524 [001]   995.663590: syscalls:sys_enter_openat: dfd: 0xffffff9c\n";
    for (const content of ["", "\n\n", "# a comment\n", gzipSync(""), call]) {
      expect(await refusal(written("empty.txt", content))).toMatchObject({ code: "ERR_TRACE_EMPTY" });
    }
    expect((await refusal(written("empty.txt", call))).message).toContain("sys_enter_openat");
    expect(await refusal("/dev/null")).toMatchObject({ code: "ERR_TRACE_EMPTY" });
  });

  it("if gzip data is cut at any byte; the message has the bytes and lines read", async () => {
    for (let length = 2; length < gzip.length; length += length < 20 ? 1 : 997) {
      const error = await refusal(written("cut.gz", gzip.subarray(0, length)));
      expect(error, String(length)).toMatchObject({ code: "ERR_INPUT_TRUNCATED" });
      expect(error.message).toMatch(new RegExp(`after ${length} bytes \\(\\d+ lines\\)`));
    }
    expect(await refusal(written("cut.gz", gzip.subarray(0, -1)))).toMatchObject({ code: "ERR_INPUT_TRUNCATED" });
  });

  it("if gzip data is damaged, also if the unpacked text has a damaged line", async () => {
    const looked: string[] = [];
    for (let at = 30; at < gzip.length; at += 499) {
      const damaged = Buffer.from(gzip);
      damaged[at]! ^= 0x55;
      const { code } = await refusal(written("damaged.gz", damaged));
      looked.push(code);
    }
    expect(new Set(looked)).toEqual(new Set(["ERR_INPUT_KIND"]));
  });

  it("if a line is damaged in an intact gzip file", async () => {
    const lines = Buffer.from(text).toString().split("\n");
    lines[4000] = lines[4000]!.replace("0x", "0y");
    for (const content of [lines.join("\n"), gzipSync(lines.join("\n"))]) {
      const path = written("damaged.txt", content);
      expect(await refusal(path)).toMatchObject({ code: "ERR_TRACE_LINE", where: `${path}:4001` });
    }
  });
});
