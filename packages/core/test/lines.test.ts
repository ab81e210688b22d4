import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createLineBlocks, LONGEST_LINE } from "../src/index.js";

/** Joins chunks. @returns the lines; undefined for each line that is too long */
function join(chunks: Iterable<Uint8Array>): (string | undefined)[] {
  const lines: (string | undefined)[] = [];
  const blocks = createLineBlocks(
    (bytes, end) => {
      expect(bytes[end - 1]).toBe(10);
      lines.push(
        ...Buffer.from(bytes.subarray(0, end - 1))
          .toString()
          .split("\n"),
      );
    },
    () => {
      lines.push(undefined);
    },
  );
  for (const chunk of chunks) blocks.push(chunk);
  blocks.finish();
  return lines;
}

/** Divides text into chunks of the given sizes, repeatedly. */
function* cut(text: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, index = 0; at < text.length; at += sizes[index++ % sizes.length]!) {
    yield text.subarray(at, at + sizes[index % sizes.length]!);
  }
}

describe("chunks of bytes", () => {
  it("give the lines of the text for every division into chunks", () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: "grapheme-ascii" })),
        fc.boolean(),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
        (lines, newlineAtEnd, sizes) => {
          const text = lines.join("\n") + (newlineAtEnd ? "\n" : "");
          const expected = text === "" ? [] : text.replace(/\n$/, "").split("\n");
          expect(join(cut(Buffer.from(text), sizes))).toEqual(expected);
        },
      ),
    );
  });

  it.each([1 << 14, 1 << 18, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 1 << 23])(
    "of %i bytes give a line of 1 MiB and report a longer one",
    (size) => {
      const longest = "x".repeat(LONGEST_LINE);
      const text = Buffer.from(`a\n${longest}\nb\n${longest}y\nc\n${longest.repeat(3)}\n\n${longest}`);
      const expected = ["a", longest, "b", undefined, "c", undefined, "", longest];
      expect(join(cut(text, [size])).map((line) => line?.length)).toEqual(expected.map((line) => line?.length));
    },
  );

  it("may end inside a line that is too long", () => {
    expect(join([Buffer.from("a\n"), Buffer.alloc(2 * LONGEST_LINE, "x")])).toEqual(["a", undefined]);
  });
});
