import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry } from "@kpkeys/core";
import type { Plugin, PluginOptions } from "@kpkeys/core/contracts";
import { archesOf, EXHIBITS, formatReplay, parseReplay, replaySide, runSide } from "@kpkeys/kunit-suite/museum";
import type { SideRun } from "@kpkeys/kunit-suite/museum";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { describe, expect, it } from "vitest";
import { ARCHES } from "./machines.js";

const registry = createPluginRegistry([arm64Poe, x86Pks, pgtablesHardening]);

/** A fault on the table pages' key, in the words of either architecture. */
const BY_KEY = /(ESR_EL1=0x000000409600004f|error code=0x0023 \(P\|W\|PK\)).*\n.*\n.*gives rx? on pkey 1 \(PGTABLES\)$/;
const STORE_THROUGH = /a store to page \d+ at ffff\w+ went through/;

/** What each side must say, so that no bug is seen for another one's reason. */
const EVIDENCE: Readonly<Record<string, readonly [red: RegExp, green: RegExp]>> = {
  "overlays-void": [/nothing of that is open; 0 of (\d+) stores blocked/, /open; (\d+) of \1 stores blocked/],
  "constructor-cannot-fail": [
    /vmalloc\(\) succeeded[^]*\nkernel p[mt][de]: 1 open in the linear map.* with pkey 0$/,
    /^vmalloc\(\) failed: no page left[^]*nothing of that is open$/,
  ],
  "pkey-beyond-the-last": [/, key (8|16)\) = 0\n.*: pkey 0\n.*went through/, /, key (8|16)\) = -22\n/],
  "clear-young-dirty": [/^clear_young_dirty_pte, CPU 0: .*(write to read-only|protection keys)/, /: old and clean$/],
  "kernel-tables-after-boot": [/\nkernel pte: 1 open in the linear map, .* with pkey 0$/, /nothing of that is open$/],
  "register-not-switched": [/^task 2, .*went through[^]*gives rwx? on pkey 1 \(PGTABLES\)$/, /^task 2, CPU 0: /],
  "callable-restore": [/: taken\n.*went through/, /: \d+ is no state of a context entered now/],
  "batching-in-interrupt": [/^set_pte, CPU 0: /, /was freed in the interrupt; .* gives rx? on pkey 1/],
  "test-target-block-mapped": [
    /^write_linear_map_pte: Direct pte write wasn't prevented\n.* none of the \d+ table pages$/,
    /^write_direct_map_pgtables: passed\n.*: none, a block maps it\n(.* is in page \d+, a table page\n?){3}$/,
  ],
  "split-recursion": [/^set_memory_pkey\(page \d+\) = -12\n {2}set_memory_pkey\(page \d+\) = -35$/, /\) = 0$/],
  "tagging-under-mock": [
    /^7 table pages allocated, 0 given a key, \d{4} writes of the key register\n\d+ table pages, 0 keyed/,
    /^7 table pages allocated, 7 given a key, \d{4} writes/,
  ],
  "cpu-resume": [
    /POR_EL1=0x0000000000000007 gives none on pkey 1|IA32_PKRS=0x0000000000000000 gives rwx on pkey 1/,
    /^stray store after resume, CPU 1: /,
  ],
  "vmemmap-tables": [/\nvmemmap pmd: 1 open in the linear map/, /nothing of that is open$/],
  "address-tag": [/^set_memory_pkey\(0xf4ff\w+\) = -22\n.*went through/, /^set_memory_pkey\(0xf4ff\w+\) = 0\n/],
  "irq-exit-resume": [/^set_pte, CPU 0: /, /has its key changed; .* gives rx? on pkey 1/],
  "irq-exit-lazy-paused": [/^set_pte, CPU 0: /, /has its key changed; .* gives rx? on pkey 1/],
  "restore-any-value": [/: taken\n.*went through/, /: \d+ is no state of a context entered now/],
  "reg-inval-written": [
    /^(POR_EL1=0x0{16} gives none [^]*kernel read from unreadable memory|IA32_PKRS=0x0{16} gives rwx [^]*went through)/,
    /^\w+=0x\w+ gives rx? on pkey 1/,
  ],
  "reg-inval-legitimate": [/saved as 0, is 0x0000000000000008 after leaving$/, /saved in a state, is 0x0{16} after/],
  "raw-table-copy": [/^memcpy, CPU 0: /, /^\d+ entries are in page \d+$/],
  "raw-table-link": [/\nunknown pte: 1 open in the linear map, .* with pkey 0$/, /nothing of that is open$/],
  "guard-too-wide": [STORE_THROUGH, /^another subsystem's callback, CPU 0: /],
};

/** Exhibits of which a side ends in the report of a write that the key denies. */
const FAULTS = {
  red: ["clear-young-dirty", "batching-in-interrupt", "irq-exit-resume", "irq-exit-lazy-paused", "raw-table-copy"],
  green: [
    "register-not-switched",
    "callable-restore",
    "restore-any-value",
    "cpu-resume",
    "address-tag",
    "reg-inval-written",
    "guard-too-wide",
  ],
} as const;

const sides = EXHIBITS.flatMap((exhibit) =>
  archesOf(exhibit, registry).flatMap((arch) =>
    (["red", "green"] as const).map((side) => [exhibit.id, side, arch] as const),
  ),
);

describe("the bug of", () => {
  it.each(sides)("%s shows on the %s side of %s as stated, and again from the replay string", (id, side, arch) => {
    const run = runSide({ id, side, arch, seed: 1 }, registry);
    expect(run).toMatchObject({ seen: side === "red", asStated: true });
    expect(run.evidence).toMatch(EVIDENCE[id]![side === "red" ? 0 : 1]);
    if ((FAULTS[side] as readonly string[]).includes(id)) expect(run.evidence).toMatch(BY_KEY);
    expect(run.trace).not.toEqual([]);
    expect(replaySide(run.replay, registry)).toEqual(run);
  });
});

describe("the oops of irq-exit-resume on arm64 is the one that was reported", () => {
  const { evidence } = runSide({ id: "irq-exit-resume", side: "red", arch: "arm64-poe", seed: 1 }, registry);
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

/** The feature with options that nobody can change back: as if its own code were so. */
function broken(options: PluginOptions): Plugin {
  return {
    ...pgtablesHardening,
    setup(container, given) {
      pgtablesHardening.setup(container, { ...given, ...options });
    },
  };
}

describe.each(ARCHES)("on %s a product that has lost the fix", (arch) => {
  const run = (id: string, options: PluginOptions): SideRun =>
    runSide({ id, side: "green", arch, seed: 1 }, createPluginRegistry([arm64Poe, x86Pks, broken(options)]));

  it.each([
    ["clear-young-dirty", { unguarded: ["clear_young_dirty_pte"] }],
    ["kernel-tables-after-boot", { tagging: "ctor-missing-kernel" }],
    ["batching-in-interrupt", { batchingInInterrupt: true }],
    ["vmemmap-tables", { vmemmap: false }],
  ])("shows the bug on the green side too: %s", (id, options) => {
    expect(run(id, options)).toMatchObject({ seen: true, asStated: false });
  });

  it("shows it as well when the machine does not even boot", () => {
    const { seen, evidence } = run("guard-too-wide", { unguarded: ["set_pte"], batching: false });
    expect(seen).toBe(true);
    expect(evidence).toMatch(/^ERR_KERNEL_FAULT: set_ptes?, CPU 0: /);
  });
});

describe("the museum", () => {
  it("gives each exhibit an id of its own, a fix and a source", () => {
    expect(new Set(EXHIBITS.map(({ id }) => id)).size).toBe(EXHIBITS.length);
    expect(Object.keys(EVIDENCE).sort()).toEqual(EXHIBITS.map(({ id }) => id).sort());
    for (const { citation, story, fix } of EXHIBITS)
      expect([citation, story, fix].every((text) => text !== "")).toBe(true);
  });

  it("has no old behaviour on a green side that is not on the red one as well", () => {
    for (const { red, green } of EXHIBITS) {
      for (const plugin of green.variants ?? []) expect(red.variants).toContain(plugin);
    }
  });

  it("writes a run down in a string that says all of it", () => {
    const key = { id: "cpu-resume", side: "green", arch: "x86-pks", seed: 42 } as const;
    expect(formatReplay(key)).toBe("cpu-resume:green:x86-pks:42");
    expect(parseReplay(formatReplay(key))).toEqual(key);
  });

  it.each(["", "cpu-resume", "cpu-resume:blue:x86-pks:1", "cpu-resume:red:x86-pks:-1", "cpu-resume:red:x86-pks:1:2"])(
    "refuses the string '%s'",
    (text) => {
      expect(() => parseReplay(text)).toThrow(
        expect.objectContaining({
          code: "ERR_EXHIBIT",
          message: expect.stringMatching(
            /is no replay string; expected EXHIBIT:red\|green:ARCHITECTURE:SEED/,
          ) as string,
        }) as Error,
      );
    },
  );

  it.each([
    ["unknown:red:x86-pks:1", /^there is no exhibit 'unknown'; expected .*cpu-resume/],
    ["overlays-void:red:x86-pks:1", /^exhibit 'overlays-void' is not on 'x86-pks'; expected arm64-poe$/],
    ["cpu-resume:red:riscv:1", /^exhibit 'cpu-resume' is not on 'riscv'; expected arm64-poe, x86-pks$/],
  ])("has nothing for %s", (text, message) => {
    expect(() => replaySide(text, registry)).toThrow(
      expect.objectContaining({ code: "ERR_EXHIBIT", message: expect.stringMatching(message) as string }) as Error,
    );
  });
});
