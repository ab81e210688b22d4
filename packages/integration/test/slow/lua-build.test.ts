import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { replayFile } from "@kpkeys/workloads/node";
import { describe, expect, it } from "vitest";
import { ARCHES, machine } from "../machines.js";

const roomy = { memory: [{ bytes: 2 ** 30 }] };
const shared = (name: string): string =>
  fileURLToPath(new URL(`../../../../../shared/traces/${name}`, import.meta.url));

describe.each(ARCHES)("a replay on %s", (arch) => {
  it.skipIf(!existsSync(shared("lua-build.perf-script.txt.gz")))(
    "agrees with Linux on at least 99 % of a build's processes",
    async () => {
      const { trace, linux } = await replayFile(machine(arch, roomy), shared("lua-build.perf-script.txt.gz"), {
        vmpte: shared("lua-build.vmpte.txt"),
      });
      expect(trace.events).toBe(176996);
      expect(linux!.processes).toBe(113);
      expect(linux!.equal / linux!.processes).toBeGreaterThanOrEqual(0.99);
    },
  );
});
