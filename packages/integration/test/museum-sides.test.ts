import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry } from "@kpkeys/core";
import { FaultKind } from "@kpkeys/core/contracts";
import { credHardening } from "@kpkeys/cred-hardening";
import { archesOf, EXHIBITS, replaySide, runSide } from "@kpkeys/kunit-suite/museum";
import type { Facts } from "@kpkeys/kunit-suite/museum";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { describe, expect, it } from "vitest";

const registry = createPluginRegistry([arm64Poe, x86Pks, pgtablesHardening, credHardening]);

/** Values that differ between the architectures. */
interface Arch {
  /** ESR_EL1 or error code of a write that a key denies. */
  readonly syndrome: string;
  readonly lastPkey: number;
  /** Rights on table pages in DEFAULT and in PGTABLES. */
  readonly closed: string;
  readonly open: string;
  /** Rights on an unused key. */
  readonly unused: string;
  /** Rights that a register of 0 gives. */
  readonly zero: string;
}

const ARCHES: Readonly<Record<string, Arch>> = {
  "arm64-poe": { syndrome: "0x000000409600004f", lastPkey: 7, closed: "r", open: "rw", unused: "none", zero: "none" },
  "x86-pks": { syndrome: "0x0000000000000023", lastPkey: 15, closed: "rx", open: "rwx", unused: "x", zero: "rwx" },
};

type Expected = (arch: Arch) => object;

/** A write that the key of table pages denied. */
const deniedAt =
  (where: string): Expected =>
  ({ syndrome, closed }) => ({
    fault: { where, kind: FaultKind.PKEY, syndrome, pkey: 1, key: "PGTABLES", rights: closed },
  });
const storedBy =
  (where: string, pkey: number, key: string): Expected =>
  ({ open }) => ({ store: { where, pkey, key, rights: open } });
const openTables =
  (source: string, ...levels: readonly unknown[]): Expected =>
  () => ({ open: levels.map((level) => ({ source, level, mapping: "linear", pages: 1, pkey: 0 })) });
const all =
  (...parts: readonly Expected[]): Expected =>
  (arch) =>
    Object.assign({}, ...parts.map((part) => part(arch))) as object;

const noneOpen: Expected = () => ({ open: [] });
const closedAfter: Expected = ({ closed }) => ({ rights: { pkey: 1, key: "PGTABLES", rights: closed } });
const rejected = all(deniedAt("probe store, CPU 0"), () => ({ rejected: "ERR_STATE_FOREIGN" }));
const errnos =
  (...values: readonly number[]): Expected =>
  () => ({ errnos: values });
const counts =
  (values: object): Expected =>
  () => ({ counts: values });
const atLeast = (least: number): unknown => expect.toSatisfy((value: number) => value >= least);
const storeToDefaultKey: Expected = () => ({ store: { where: "probe store, CPU 0", pkey: 0 } });

/** The facts that each side must have, so that no bug is seen for another reason. */
const FACTS: Readonly<Record<string, readonly [red: Expected, green: Expected]>> = {
  "overlays-void": [all(noneOpen, counts({ blocked: 0 })), all(noneOpen, closedAfter)],
  "constructor-cannot-fail": [
    all(openTables("kernel", expect.stringMatching(/^p[mt][de]$/)), counts({ mapped: 1 })),
    all(noneOpen, counts({ mapped: 0 })),
  ],
  "pkey-beyond-the-last": [all(errnos(0), storeToDefaultKey), errnos(-22)],
  "clear-young-dirty": [deniedAt("clear_young_dirty_pte, CPU 0"), counts({ young: 0, dirty: 0 })],
  "kernel-tables-after-boot": [openTables("kernel", "pte"), noneOpen],
  "register-not-switched": [storedBy("task 2, CPU 0", 1, "PGTABLES"), deniedAt("task 2, CPU 0")],
  "callable-restore": [storedBy("probe store, CPU 0", 1, "PGTABLES"), rejected],
  "batching-in-interrupt": [deniedAt("set_pte, CPU 0"), closedAfter],
  "test-target-block-mapped": [all(errnos(0), counts({ targets: 1, tables: 0 })), counts({ targets: 3, tables: 3 })],
  "split-recursion": [errnos(-12, -35), errnos(0)],
  "tagging-under-mock": [
    counts({ allocated: 7, keyed: 0, registerWrites: atLeast(1000) }),
    counts({ allocated: 7, keyed: 7, registerWrites: atLeast(1000) }),
  ],
  "cpu-resume": [
    ({ zero: rights }) =>
      rights === "none"
        ? { fault: { where: "pgtable read, CPU 1", kind: FaultKind.PKEY, pkey: 1, rights } }
        : { store: { where: "probe store after resume, CPU 1", pkey: 1, rights } },
    deniedAt("probe store after resume, CPU 1"),
  ],
  "vmemmap-tables": [openTables("vmemmap", "pmd", "pud"), noneOpen],
  "address-tag": [all(errnos(-22), storeToDefaultKey), all(errnos(0), deniedAt("probe store, CPU 0"))],
  "irq-exit-resume": [deniedAt("set_pte, CPU 0"), closedAfter],
  "irq-exit-lazy-paused": [deniedAt("set_pte, CPU 0"), closedAfter],
  "restore-any-value": [storedBy("probe store, CPU 0", 1, "PGTABLES"), rejected],
  "reg-inval-written": [
    ({ lastPkey: pkey, zero: rights }) => ({
      register: { after: "0x0000000000000000" },
      rights: { pkey, key: null, rights },
      ...(rights === "none" && {
        fault: { where: "read of kernel data, CPU 0", kind: FaultKind.PKEY, pkey: 0, rights },
      }),
    }),
    ({ lastPkey: pkey, unused: rights }) => ({ rights: { pkey, key: null, rights } }),
  ],
  "reg-inval-legitimate": [
    () => ({ register: { before: "0x0000000000000000", after: "0x0000000000000008" } }),
    () => ({ register: { before: "0x0000000000000000", after: "0x0000000000000000" } }),
  ],
  "raw-table-copy": [deniedAt("memcpy, CPU 0"), counts({ entries: atLeast(1) })],
  "raw-table-link": [openTables("unknown", "pte"), noneOpen],
  "guard-too-wide": [
    storedBy("another subsystem's callback, CPU 0", 2, "CRED"),
    ({ closed }) => ({
      fault: {
        where: "another subsystem's callback, CPU 0",
        kind: FaultKind.PKEY,
        pkey: 2,
        key: "CRED",
        rights: closed,
      },
    }),
  ],
};

/** Relations between the values of a side. */
const RELATIONS: Readonly<Record<string, (facts: Facts, side: "red" | "green") => void>> = {
  "overlays-void": ({ counts: { tried, blocked } = {} }, side) => {
    expect(tried).toBeGreaterThan(0);
    if (side === "green") expect(blocked).toBe(tried);
  },
  "cpu-resume": ({ register }, side) => {
    expect(register!.after === register!.before).toBe(side === "green");
  },
  "reg-inval-written": ({ register }, side) => {
    expect(register!.after === register!.before).toBe(side === "green");
  },
};

const sides = EXHIBITS.flatMap((exhibit) =>
  archesOf(exhibit, registry).flatMap((arch) =>
    (["red", "green"] as const).map((side) => [exhibit.id, side, arch] as const),
  ),
);

describe("the bug of", () => {
  it.each(sides)("%s shows on the %s side of %s as stated, and again from the replay string", (id, side, arch) => {
    const run = runSide({ id, side, arch }, registry);
    expect(run).toMatchObject({ seen: side === "red", asStated: true });
    expect(run.facts).toMatchObject(FACTS[id]![side === "red" ? 0 : 1](ARCHES[arch]!));
    RELATIONS[id]?.(run.facts, side);
    expect(run.evidence).not.toBe("");
    expect(run.trace).not.toEqual([]);
    expect(replaySide(run.replay, registry)).toEqual(run);
  });
});

it("every exhibit has its facts here", () => {
  expect(Object.keys(FACTS).sort()).toEqual(EXHIBITS.map(({ id }) => id).sort());
});
