import { Access } from "@kpkeys/core/contracts";
import { expect, it } from "vitest";
import { frameOf, staleTranslations } from "../support/machine.js";
import { BASE, Process } from "../support/process.js";

it("a small machine with pages of 16 KiB boots and runs a process", () => {
  const process = new Process();
  expect(process.mmap(BASE, 1)).toBe(0);
  expect(frameOf(process.machine, BASE, process.mm.root)).toBe(-1);
  expect(process.touch(BASE, Access.WRITE)).toBe(1);
  expect(process.tables).toBe(2);
  expect(frameOf(process.machine, BASE, process.mm.root)).toBeGreaterThan(0);
  expect(staleTranslations(process.machine)).toBe(0);
});
