import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openText, recordingOf } from "../src/index.js";
import { embeddedTrace, readTrace } from "../src/node/index.js";

const gcc = readFileSync(embeddedTrace.trace);

/** A stream of bytes in chunks of a size. */
function streamOf(bytes: Uint8Array, size: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) controller.close();
      else controller.enqueue(bytes.subarray(at, (at += size)));
    },
  });
}

/** The text that was read, and the code of the error at its end. */
async function textOf(bytes: Uint8Array, size: number): Promise<{ text: string; code?: string }> {
  const parts: Uint8Array[] = [];
  const text = (): string => Buffer.concat(parts).toString("latin1");
  try {
    const input = await openText("a log", streamOf(bytes, size));
    for await (const chunk of input.chunks(() => "so far")) parts.push(chunk.slice());
    return { text: text() };
  } catch (error) {
    return { text: text(), code: (error as { code: string }).code };
  }
}

describe("bytes and streams give the events of the file:", () => {
  it.each([
    ["bytes", () => gcc],
    ["a stream in chunks of 7 bytes", () => streamOf(gcc, 7)],
    ["a stream in one chunk", () => streamOf(gcc, gcc.length)],
  ])("%s", async (_, bytes) => {
    const lines: number[] = [];
    const expected: number[] = [];
    const summary = await recordingOf(embeddedTrace.trace, bytes()).read(({ line }) => lines.push(line));
    expect(summary).toEqual(await readTrace(embeddedTrace.trace, ({ line }) => expected.push(line)));
    expect(lines).toEqual(expected);
  });

  it("`enough` closes the stream", async () => {
    let closed = false;
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => {
        controller.enqueue(gcc);
      },
      cancel: () => {
        closed = true;
      },
    });
    const { events } = await recordingOf("gcc", stream).read(() => undefined, { enough: () => true });
    expect([events, closed]).toEqual([1, true]);
  });
});

describe("gzip in chunks of any size", () => {
  const members = fc.array(fc.string({ minLength: 1, maxLength: 40, unit: fc.constantFrom("a", "b", "\n") }), {
    minLength: 1,
    maxLength: 5,
  });

  it("may have any number of members, and padding after them", async () => {
    await fc.assert(
      fc.asyncProperty(members, fc.nat(30), fc.integer({ min: 1, max: 60 }), async (texts, padding, size) => {
        const packed = Buffer.concat([...texts.map((text) => gzipSync(text)), Buffer.alloc(padding)]);
        expect(await textOf(packed, size)).toEqual({ text: texts.join("") });
      }),
      { numRuns: 200 },
    );
  });

  it("gives all text before a cut", async () => {
    const text = Array.from({ length: 5000 }, (_, line) => `line ${line}\n`).join("");
    const packed = gzipSync(text);
    for (const size of [100, 1e6]) {
      const read = await textOf(packed.subarray(0, -12), size);
      expect(read.code).toBe("ERR_INPUT_TRUNCATED");
      expect(text.startsWith(read.text)).toBe(true);
      expect(read.text.length).toBeGreaterThan(text.length - 1000);
    }
  });

  it.each([
    ["a wrong checksum", (packed: Buffer) => packed.fill(0xff, packed.length - 8, packed.length - 4), "ERR_INPUT_KIND"],
    ["a damaged block", (packed: Buffer) => packed.fill(0xff, 10, 20), "ERR_INPUT_KIND"],
    ["other text after the data", (packed: Buffer) => Buffer.concat([packed, Buffer.from("text")]), "ERR_INPUT_KIND"],
    ["a cut second member", (packed: Buffer) => Buffer.concat([packed, gcc.subarray(0, 99)]), "ERR_INPUT_TRUNCATED"],
  ])("with %s is an error", async (_, damage, code) => {
    for (const size of [1, 1000]) expect((await textOf(damage(gzipSync("a text\n")), size)).code).toBe(code);
  });
});

describe("bytes that are not text are an error:", () => {
  it.each([
    ["zstd", Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0)],
    ["binary", new Uint8Array(100)],
    ["gzip in gzip", gzipSync(gzipSync("a"))],
  ])("%s", async (_, bytes) => {
    expect((await textOf(bytes, 1)).code).toBe("ERR_INPUT_KIND");
  });

  it("an empty array has no event", async () => {
    await expect(recordingOf("nothing", new Uint8Array(0)).read(() => undefined)).rejects.toMatchObject({
      code: "ERR_TRACE_EMPTY",
    });
  });
});
