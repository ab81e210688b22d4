import { provide, resolve } from "@kpkeys/core";
import { Access, PgtableArch } from "@kpkeys/core/contracts";
import { expect, it } from "vitest";
import { variant } from "../support/arches.js";
import { boot, frameOf, staleTranslations } from "../support/machine.js";
import { BASE, Process } from "../support/process.js";

it("boots a small machine with 16 KiB pages and runs a process", () => {
  const process = new Process();
  expect(process.mmap(BASE, 1)).toBe(0);
  expect(frameOf(process.machine, BASE, process.mm.root)).toBe(-1);
  expect(process.touch(BASE, Access.WRITE)).toBe(1);
  expect(process.tables).toBe(2);
  expect(frameOf(process.machine, BASE, process.mm.root)).toBeGreaterThan(0);
  expect(staleTranslations(process.machine)).toBe(0);
});

it("boots with the kernel image at the end of RAM", () => {
  const arch = variant((container) => {
    const original = resolve(container, PgtableArch);
    provide(container, PgtableArch, { ...original, layout: { ...original.layout, imageOffset: 64 * 2 ** 20 } });
  });
  const machine = boot({ memory: [{ bytes: 96 * 2 ** 20 }] }, { arch });
  const { firstPfn, endPfn } = machine.memory;
  const linear = Number(0xffffc00000000000n >> 14n);
  for (let pfn = firstPfn; pfn < endPfn; pfn++) expect(frameOf(machine, linear + pfn - firstPfn)).toBe(pfn);
});
