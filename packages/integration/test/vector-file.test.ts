import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { afterAll, describe, expect, test } from "vitest";
import { readVectors, VECTORS_TEXT } from "@kpkeys/explain";
import { openTrace } from "@kpkeys/workloads/node";

const folder = mkdtempSync(join(tmpdir(), "kpkeys-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

/** The lines of a file with their numbers. */
async function read(path: string): Promise<unknown[]> {
  const found: unknown[] = [];
  const count = await readVectors(
    await openTrace(path, VECTORS_TEXT),
    (vector, line) => found.push([line, vector]),
    () => undefined,
  );
  expect(count).toBe(found.length);
  return found;
}

describe("the lines of a vector file", () => {
  const line = fc.record({ id: fc.string().map((id) => `${id} é`), upper: fc.array(fc.string()), wnr: fc.nat(1) });

  test("come in their order with their numbers, plain or gzip under any file name", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { minLength: 1 }),
        fc.boolean(),
        fc.constantFrom("\n", "\r\n"),
        fc.boolean(),
        async (lines, compressed, end, endAtEnd) => {
          const text = lines.map((each) => JSON.stringify(each)).join(end) + (endAtEnd ? end : "");
          const path = file(compressed ? "vectors.jsonl" : "vectors.jsonl.gz", compressed ? gzipSync(text) : text);
          expect(await read(path)).toEqual(lines.map((each, index) => [index + 1, each]));
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe("a vector file is refused with its name, the line and what was expected", () => {
  async function expectRefusal(path: string, code: string, message: string | RegExp): Promise<void> {
    const reading = read(path);
    await expect(reading).rejects.toMatchObject({ name: "KpkeysError", code });
    await expect(reading).rejects.toThrow(message);
  }

  test.each([
    ["that is cut", '{"id":"x', "the line is not JSON ("],
    ["that holds more than one object", "{} {}", "the line is not JSON ("],
    ["that is empty", "", "the line is empty"],
    ["that holds a list", "[1]", "the line is not a JSON object"],
    ["that holds null", "null", "the line is not a JSON object"],
    ["that holds text", '"a"', "the line is not a JSON object"],
    ["that is not UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]), "the line is not UTF-8"],
    ["that is too long", `{"id":"${"x".repeat(1 << 20)}"}`, "the line is longer than 1048576 bytes"],
  ])("for a line %s", async (name, bytes, message) => {
    const content = Buffer.concat([Buffer.from('{"id":"good"}\n'), Buffer.from(bytes), Buffer.from("\n{}\n")]);
    for (const [path, data] of [
      [`${name}.jsonl`, content],
      [`${name}.gz`, gzipSync(content)],
    ] as const) {
      await expectRefusal(file(path, data), "ERR_VECTOR_LINE", `${path}:2: ${message}`);
      await expect(read(join(folder, path))).rejects.toThrow("; expected one JSON object a line");
    }
  });

  const GOOD = Array.from({ length: 5000 }, (_, index) => `{"id":"line ${index}"}`).join("\n");

  test("when its gzip data breaks off, with how far it came", async () => {
    const path = file("truncated.jsonl.gz", gzipSync(GOOD).subarray(0, -100));
    await expectRefusal(path, "ERR_INPUT_TRUNCATED", /truncated\.jsonl\.gz: .* lines\)/);
  });

  test("when its gzip data is damaged, of which a damaged line may come", async () => {
    const packed = gzipSync(`${GOOD}\nnot JSON`);
    packed[packed.length - 8]! ^= 1;
    await expectRefusal(
      file("damaged.jsonl.gz", packed),
      "ERR_INPUT_KIND",
      /damaged\.jsonl\.gz: the gzip data is damaged/,
    );
  });

  test.each([
    ["holds nothing", "", "ERR_VECTOR_EMPTY", "the file is empty"],
    [
      "is binary",
      Uint8Array.from({ length: 5000 }, (_, i) => (i * i) & 0xff),
      "ERR_INPUT_KIND",
      "this is a binary file",
    ],
    ["is of another compression", Buffer.from("BZh91AY&SY"), "ERR_INPUT_KIND", "compressed by bzip2"],
  ])("when it %s", async (name, content, code, message) => {
    const path = file(name, content);
    await expectRefusal(path, code, `${path}: `);
    await expectRefusal(path, code, message);
    await expectRefusal(path, code, "; expected architectural vectors as JSON Lines, plain or gzip");
  });

  test("when it is not there or is a directory", async () => {
    await expectRefusal(join(folder, "nosuch"), "ERR_INPUT_MISSING", "nosuch: ");
    await expectRefusal(folder, "ERR_INPUT_KIND", "this is a directory");
  });
});
