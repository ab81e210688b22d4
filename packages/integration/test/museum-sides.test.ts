import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry } from "@kpkeys/core";
import { credHardening } from "@kpkeys/cred-hardening";
import { archesOf, EXHIBITS, replaySide, runSide } from "@kpkeys/kunit-suite/museum";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { describe, expect, it } from "vitest";

const registry = createPluginRegistry([arm64Poe, x86Pks, pgtablesHardening, credHardening]);

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
  "callable-restore": [/: taken\n.*went through/, /: \d+ is not the state of a context that is entered/],
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
    /^\w+ is (0x\w+), its initial value \1\nstray store after resume, CPU 1: /,
  ],
  "vmemmap-tables": [/\nvmemmap pmd: 1 open in the linear map/, /nothing of that is open$/],
  "address-tag": [/^set_memory_pkey\(0xf4ff\w+\) = -22\n.*went through/, /^set_memory_pkey\(0xf4ff\w+\) = 0\n/],
  "irq-exit-resume": [/^set_pte, CPU 0: /, /has its key changed; .* gives rx? on pkey 1/],
  "irq-exit-lazy-paused": [/^set_pte, CPU 0: /, /has its key changed; .* gives rx? on pkey 1/],
  "restore-any-value": [/: taken\n.*went through/, /: \d+ is not the state of a context that is entered/],
  "reg-inval-written": [
    /, after it 0x0{16}\n(POR_EL1=0x0{16} gives none [^]*kernel read from unreadable memory|IA32_PKRS=0x0{16} gives rwx )/,
    /was (0x\w+), after it \1\n\w+=0x\w+ gives (none|x) on pkey \d+ \(nobody's\)$/,
  ],
  "reg-inval-legitimate": [/saved as 0, is 0x0000000000000008 after leaving$/, /saved in a state, is 0x0{16} after/],
  "raw-table-copy": [/^memcpy, CPU 0: /, /^\d+ entries are in page \d+$/],
  "raw-table-link": [/\nunknown pte: 1 open in the linear map, .* with pkey 0$/, /nothing of that is open$/],
  "guard-too-wide": [STORE_THROUGH, /^another subsystem's callback, CPU 0: [^]*gives rx? on pkey 2 \(CRED\)$/],
};

/** Exhibits of which a side ends in the report of a write that the key denies. */
const FAULTS = {
  red: ["clear-young-dirty", "batching-in-interrupt", "irq-exit-resume", "irq-exit-lazy-paused", "raw-table-copy"],
  green: ["register-not-switched", "callable-restore", "restore-any-value", "cpu-resume", "address-tag"],
} as const;

const sides = EXHIBITS.flatMap((exhibit) =>
  archesOf(exhibit, registry).flatMap((arch) =>
    (["red", "green"] as const).map((side) => [exhibit.id, side, arch] as const),
  ),
);

describe("the bug of", () => {
  it.each(sides)("%s shows on the %s side of %s as stated, and again from the replay string", (id, side, arch) => {
    const run = runSide({ id, side, arch }, registry);
    expect(run).toMatchObject({ seen: side === "red", asStated: true });
    expect(run.evidence).toMatch(EVIDENCE[id]![side === "red" ? 0 : 1]);
    if ((FAULTS[side] as readonly string[]).includes(id)) expect(run.evidence).toMatch(BY_KEY);
    expect(run.trace).not.toEqual([]);
    expect(replaySide(run.replay, registry)).toEqual(run);
  });
});

it("every exhibit has its evidence here", () => {
  expect(Object.keys(EVIDENCE).sort()).toEqual(EXHIBITS.map(({ id }) => id).sort());
});
