import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, expect, test } from "vitest";

const LOCK = new URL("../../../../scripts/lock.mjs", import.meta.url).href;
const folder = mkdtempSync(join(tmpdir(), "kpkeys-lock-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Takes the lock a number of times, and in some rounds exits while it holds it. Prints a second holder. */
const HOLDER = `
  import { mkdirSync, rmdirSync } from "node:fs";
  import { setTimeout as sleep } from "node:timers/promises";
  import { takeLock } from ${JSON.stringify(LOCK)};
  const [path, holds] = process.argv.slice(2);
  for (let held = 0; held < Number(holds); ) {
    const release = takeLock(path);
    if (release === undefined) { await sleep(Math.random()); continue; }
    held++;
    try { mkdirSync(path + "-held"); } catch { console.log("not alone"); }
    await sleep(Math.random());
    try { rmdirSync(path + "-held"); } catch { console.log("not alone"); }
    if (Math.random() < 0.1) process.kill(process.pid, "SIGKILL");
    release();
  }
`;

async function hold(script: string, path: string): Promise<string> {
  const child = spawn(process.execPath, [script, path, "40"], { stdio: ["ignore", "pipe", "inherit"] });
  const [printed] = await Promise.all([text(child.stdout), once(child, "close")]);
  return printed;
}

test("a lock has one holder at a time, and outlives no dead one", async () => {
  const script = join(folder, "holder.mjs");
  writeFileSync(script, HOLDER);
  const path = join(folder, "lock");
  for (let round = 0; round < 4; round++) {
    const printed = await Promise.all(Array.from({ length: 5 }, () => hold(script, path)));
    expect(printed.join("")).toBe("");
  }
});
