import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, describe, expect, it } from "vitest";
import { readSmallText, readVmpte } from "../src/node/index.js";

const folder = mkdtempSync(join(tmpdir(), "kpkeys-small-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function written(content: string | Uint8Array): string {
  const path = join(folder, "file");
  writeFileSync(path, content);
  return path;
}

describe("a small text", () => {
  it("is read plain and gzip, like /proc/config.gz", () => {
    for (const content of ["CONFIG_KUNIT=y\n", gzipSync("CONFIG_KUNIT=y\n")])
      expect(readSmallText(written(content), "a text")).toBe("CONFIG_KUNIT=y\n");
    expect(readVmpte(written(gzipSync("1 2 cc1 4 5 6\n")))).toHaveLength(1);
  });

  it.each([
    ["over 16 MiB", "ERR_INPUT_KIND", Buffer.alloc(17 << 20, "a\n")],
    ["gzip of over 16 MiB", "ERR_INPUT_KIND", gzipSync(Buffer.alloc(300 << 20))],
    ["half a gzip file", "ERR_INPUT_TRUNCATED", gzipSync("CONFIG_KUNIT=y\n".repeat(99)).subarray(0, 30)],
    ["zeros", "ERR_INPUT_KIND", Buffer.alloc(100)],
    ["xz", "ERR_INPUT_KIND", Buffer.from("\u00fd7zXZ\0", "latin1")],
  ])("that is %s is an error", (_, code, content) => {
    expect(() => readSmallText(written(content), "a text")).toThrow(expect.objectContaining({ code }) as Error);
  });

  it("of 1 GiB or without an end is an error", () => {
    const sparse = written("");
    truncateSync(sparse, 2 ** 30);
    for (const path of [sparse, "/dev/zero"])
      expect(() => readVmpte(path)).toThrow(expect.objectContaining({ code: "ERR_INPUT_KIND" }) as Error);
  });
});
