import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { jsonOf, kpkeysWith } from "../e2e/kpkeys.js";

const SHARED = fileURLToPath(new URL("../../../../../shared/vectors/", import.meta.url));
const X86 = fileURLToPath(new URL("../../../arch-x86-pks/testdata/vectors.jsonl.gz", import.meta.url));

const folder = mkdtempSync(join(tmpdir(), "kpkeys-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

describe("kpkeys conform", () => {
  test("agrees with all vectors, and skips the disputed fields", ({ skip }) => {
    const files = ["arm64", "silicon", "x86"].map((name) => `${SHARED}${name}.jsonl.gz`);
    if (!files.every((path) => existsSync(path))) skip(`${SHARED} does not exist: only the samples were tested`);
    const { status, document } = jsonOf("conform", ...files);
    expect(status).toBe(0);
    expect(document).toEqual({
      agree: 14_743,
      disagree: 0,
      skipped: { pte_after: 282, result: 44, upper_after: 5473 + 2566 },
      disagreements: [],
      vectorsPerSecond: expect.any(Number) as number,
    });
  });

  test("reads a file larger than its memory", () => {
    const path = join(folder, "large.gz");
    writeFileSync(path, gzipSync(gunzipSync(readFileSync(X86)).toString().repeat(1000), { level: 1 }));
    const { status, stdout } = kpkeysWith({ NODE_OPTIONS: "--max-old-space-size=32" }, ["conform", path, "--json"]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ agree: 208_000, disagree: 0 });
  });
});
