import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { constants, gunzipSync, gzipSync } from "node:zlib";
import { expect, it } from "vitest";
import { openTrace } from "../src/node/trace-file.js";

it("a cut gzip file gives all text before the cut, also to a slow consumer", async () => {
  const lines = Array.from({ length: 100_000 }, (_, i) => `sh ${i} [000] ${i}.000000: brk: 0x${i.toString(16)}`);
  const whole = gzipSync(lines.join("\n"), { level: 1 });
  const cut = whole.subarray(0, whole.length / 2);
  const path = join(mkdtempSync(join(tmpdir(), "cut-")), "cut.gz");
  writeFileSync(path, cut);

  let bytes = 0;
  const read = async (): Promise<void> => {
    const file = await openTrace(path);
    for await (const chunk of file.chunks(() => "")) {
      bytes += chunk.length;
      await setTimeout(5);
    }
  };
  await expect(read()).rejects.toMatchObject({ code: "ERR_INPUT_TRUNCATED" });
  expect(bytes).toBe(gunzipSync(cut, { finishFlush: constants.Z_SYNC_FLUSH }).length);
});
