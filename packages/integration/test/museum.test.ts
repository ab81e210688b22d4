import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry } from "@kpkeys/core";
import { credHardening } from "@kpkeys/cred-hardening";
import type { Plugin, PluginOptions } from "@kpkeys/core/contracts";
import { EXHIBITS, formatReplay, parseReplay, replaySide, runSide } from "@kpkeys/kunit-suite/museum";
import type { SideRun } from "@kpkeys/kunit-suite/museum";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { describe, expect, it } from "vitest";
import { ARCHES } from "./machines.js";

const registry = createPluginRegistry([arm64Poe, x86Pks, pgtablesHardening, credHardening]);

describe("the oops of irq-exit-resume on arm64 equals the reported one", () => {
  const { evidence } = runSide({ id: "irq-exit-resume", side: "red", arch: "arm64-poe" }, registry);
  const entry = (name: string): bigint => BigInt(new RegExp(`${name}=(0x\\w+)`).exec(evidence)![1]!);
  const ADDRESS = 0x0000_ffff_ffff_f000n;

  it("in ESR_EL1: a write, level 3, by the overlay", () => {
    expect(entry("ESR_EL1")).toBe(0x0000_0040_9600_004fn);
    expect(evidence).toContain("WnR=1 Overlay=1 DirtyBit=0");
    expect(evidence).toContain("level 3 permission fault");
  });

  it("in the attributes of the leaf and of the tables above it", () => {
    expect(entry("pte") & ~ADDRESS).toBe(0x10e8_0008_ffbb_b707n & ~ADDRESS);
    for (const table of ["pgd", "pud", "pmd"]) {
      expect(entry(table) & ~ADDRESS).toBe(0x1800_0008_ffff_f403n & ~ADDRESS);
    }
  });

  it("in the address: a table page in the linear map of RAM from 2 GiB on", () => {
    const [reportedFar, reportedPte] = [0xffff_0008_7fbb_bd78n, 0x10e8_0008_ffbb_b707n];
    const offset = (far: bigint, pte: bigint): bigint => (far & ADDRESS) - (pte & ADDRESS);
    expect(offset(entry("FAR_EL1"), entry("pte"))).toBe(offset(reportedFar, reportedPte));
  });
});

/** The feature with options that no side can override, as if its code had the bug. */
function broken(options: PluginOptions): Plugin {
  return {
    ...pgtablesHardening,
    setup(container, given) {
      pgtablesHardening.setup(container, { ...given, ...options });
    },
  };
}

describe.each(ARCHES)("on %s, a feature without the fix", (arch) => {
  const run = (id: string, options: PluginOptions): SideRun =>
    runSide({ id, side: "green", arch }, createPluginRegistry([arm64Poe, x86Pks, broken(options)]));

  it.each([
    ["clear-young-dirty", { unguarded: ["clear_young_dirty_pte"] }],
    ["kernel-tables-after-boot", { tagging: "ctor-missing-kernel" }],
    ["batching-in-interrupt", { batchingInInterrupt: true }],
    ["vmemmap-tables", { vmemmap: false }],
  ])("shows the bug on the green side too: %s", (id, options) => {
    expect(run(id, options)).toMatchObject({ seen: true, asStated: false });
  });

  it("shows the bug if the machine does not boot", () => {
    const { seen, evidence } = run("raw-table-link", { unguarded: ["set_pte"], batching: false });
    expect(seen).toBe(true);
    expect(evidence).toContain("ERR_KERNEL_FAULT");
  });
});

describe("the museum", () => {
  it("has a unique id, a fix and a source for each exhibit", () => {
    expect(new Set(EXHIBITS.map(({ id }) => id)).size).toBe(EXHIBITS.length);
    for (const { id, title, citation, story, fix } of EXHIBITS) {
      expect([citation, story, fix].every((text) => text !== "")).toBe(true);
      // The command prints both on one line of at most 100 columns.
      expect(`${id}: ${title}`.length).toBeLessThanOrEqual(100);
    }
  });

  it("has no variant on a green side that the red side does not have", () => {
    for (const { red, green } of EXHIBITS) {
      for (const plugin of green.variants ?? []) expect(red.variants).toContain(plugin);
    }
  });

  it("formats a run as a string and parses it", () => {
    const key = { id: "cpu-resume", side: "green", arch: "x86-pks" } as const;
    expect(formatReplay(key)).toBe("cpu-resume:green:x86-pks");
    expect(parseReplay(formatReplay(key))).toEqual(key);
  });

  it.each(["", "cpu-resume", "cpu-resume:blue:x86-pks", "cpu-resume:red:x86-pks:", "cpu-resume:red:x86-pks:1"])(
    "rejects the string '%s'",
    (text) => {
      expect(() => parseReplay(text)).toThrow(
        expect.objectContaining({
          code: "ERR_EXHIBIT",
          message: expect.stringMatching(/expected EXHIBIT:red\|green:ARCHITECTURE/) as string,
        }) as Error,
      );
    },
  );

  it.each([
    ["unknown:red:x86-pks", /'unknown'.*; expected .*cpu-resume/],
    ["overlays-void:red:x86-pks", /'overlays-void'.*'x86-pks'; expected arm64-poe$/],
    ["cpu-resume:red:riscv", /'cpu-resume'.*'riscv'; expected arm64-poe, x86-pks$/],
  ])("rejects %s", (text, message) => {
    expect(() => replaySide(text, registry)).toThrow(
      expect.objectContaining({ code: "ERR_EXHIBIT", message: expect.stringMatching(message) as string }) as Error,
    );
  });
});
