import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry, resolve } from "@kpkeys/core";
import {
  AddressSpaces,
  Exceptions,
  ExtensionPoints,
  MapFlag,
  PageTables,
  Prot,
  toLevel,
  toVpn,
} from "@kpkeys/core/contracts";
import type { Plugin, PluginOptions } from "@kpkeys/core/contracts";
import { buildMachine, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import { attack } from "@kpkeys/kunit-suite";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
import { describe, expect, it } from "vitest";
import { ARCHES, hardened } from "./machines.js";

const PAGES = 1000;

/** A process's life: mapped, written, write-protected by fork, moved, reprotected, aged, gone. */
function live(target: Machine): void {
  const spaces = target.get(AddressSpaces);
  const flags = MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.POPULATE;
  const parent = spaces.create();
  spaces.mmap(parent, toVpn(0x1000), PAGES, Prot.READ | Prot.WRITE, flags);
  const child = spaces.fork(parent);
  spaces.mprotect(parent, toVpn(0x1000), PAGES / 2, Prot.READ);
  spaces.mremap(parent, toVpn(0x1000), 512, toVpn(0x8000), 512);
  spaces.mremap(parent, toVpn(0x1210), 16, toVpn(0x9013), 16);
  spaces.madvise(parent, toVpn(0x8000), 256, 20);
  spaces.munmap(child, toVpn(0x1000), 100);
  spaces.put(child);
  spaces.put(parent);
}

function registerWrites(target: Machine, run: () => void): number {
  const before = target.counters().registerWrites;
  run();
  return target.counters().registerWrites - before;
}

const PLACEMENTS: readonly PluginOptions[] = [
  { batching: false },
  { batching: true },
  { batching: false, placement: "table-lock" },
  { batching: true, placement: "table-lock" },
  { batching: false, placement: "operation" },
  { batching: true, placement: "operation" },
];

describe.each(ARCHES)("guard placements on %s", (arch) => {
  const perSetter = hardened(arch, { batching: false });
  live(perSetter);

  it.each(PLACEMENTS)(
    "%o: a whole life runs, everything stays protected, and the tables translate the same",
    (options) => {
      const target = hardened(arch, options);
      live(target);
      expect(target.digestTranslations()).toBe(perSetter.digestTranslations());
      const { tried, blocked } = attack(target, target.scan());
      expect(tried).toBeGreaterThan(0);
      expect(blocked).toBe(tried);
    },
  );

  it("opens the tables twice an operation when placed around operations: entered and left", () => {
    const target = hardened(arch, { batching: false, placement: "operation" });
    const spaces = target.get(AddressSpaces);
    const mm = spaces.create();
    const write = registerWrites(target, () => {
      spaces.mmap(
        mm,
        toVpn(0x1000),
        PAGES,
        Prot.READ | Prot.WRITE,
        MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.POPULATE,
      );
    });
    expect(write).toBe(2);
    expect(registerWrites(target, () => spaces.fork(mm))).toBe(2);
  });

  it("opens once for the tables that are locked together, and in setters where no lock is held", () => {
    const target = hardened(arch, { batching: false, placement: "table-lock" });
    const points = target.get(ExtensionPoints);
    const tables = target.get(PageTables);
    const table = target.get(AddressSpaces).create().root;
    const lock = (): void => {
      for (const handler of points.handlers("tableLocked")) handler(table);
    };
    const unlock = (): void => {
      for (const handler of points.handlers("tableUnlocking")) handler(table);
    };
    const write = (): void => {
      tables.setPte(table, 0, { high: 0, low: 0 });
    };
    const nested = registerWrites(target, () => {
      lock();
      write();
      lock();
      write();
      unlock();
      write();
      unlock();
    });
    expect(nested).toBe(2);
    expect(registerWrites(target, write)).toBe(2);
  });

  it("opens in each setter in interrupt, where the register was reset, and goes on as it was after", () => {
    let written = 0;
    const interrupting: Plugin = {
      id: "interrupting",
      kind: "feature",
      description: "an interrupt that writes page tables while an operation allocates one",
      contract: 2,
      setup(container) {
        resolve(container, ExtensionPoints).on("tablePageCtor", (pfn) => {
          resolve(container, Exceptions).interrupt(() => {
            resolve(container, PageTables).setPte(pfn, 0, { high: 0, low: 0 });
            written++;
          });
          return 0;
        });
      },
    };
    const spec = {
      ...DEFAULT_SPEC,
      arch,
      memory: [{ bytes: 128 * 1024 * 1024 }],
      features: ["pgtables", "interrupting"],
      options: { pgtables: { batching: false, placement: "operation" } },
      kernel: { exceptionEntry: "reset" },
    } as const;
    live(buildMachine(spec, createPluginRegistry([arm64Poe, x86Pks, pgtablesHardening, interrupting])));
    expect(written).toBeGreaterThan(0);
  });
});

describe.each(ARCHES)("leaf tables mapped while locked on %s", (arch) => {
  const leafMapping = (): Machine => hardened(arch, { placement: "leaf-mapping" }, { boot: { rodata: "full" } });

  it("needs no key, and a whole life runs", () => {
    const target = leafMapping();
    live(target);
    expect(target.counters().registerWrites).toBe(target.cpus.all.length);
    expect(target.counters().directMapCalls).toBeGreaterThan(0);
  });

  it("keeps a process's leaf tables out of the linear map: the kernel itself faults without the lock", () => {
    const target = leafMapping();
    const spaces = target.get(AddressSpaces);
    const tables = target.get(PageTables);
    const mm = spaces.create();
    spaces.mmap(mm, toVpn(0x1000), 1, Prot.READ | Prot.WRITE, MapFlag.PRIVATE | MapFlag.ANONYMOUS | MapFlag.POPULATE);
    const { table } = tables.entryAt(mm.root, toLevel(target.levelNames.length - 1), toVpn(0x1000))!;
    expect(() => {
      tables.setPte(table, 0, { high: 0, low: 0 });
    }).toThrow(expect.objectContaining({ code: "ERR_KERNEL_FAULT" }) as Error);
  });
});
