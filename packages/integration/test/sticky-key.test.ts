import { KpkeysError } from "@kpkeys/core";
import { PageAllocator, PageTables } from "@kpkeys/core/contracts";
import { expect, it } from "vitest";
import { ARCHES, hardened, machine } from "./machines.js";

it.each(ARCHES)(
  "a table page freed without its destructor keeps its key, and clear_page() faults on it: %s",
  (arch) => {
    const hardenedMachine = hardened(arch);
    const tables = hardenedMachine.get(PageTables);
    const table = tables.allocTable("kernel")!;
    hardenedMachine.get(PageAllocator).free(table, 0);
    let failure: unknown;
    try {
      tables.allocTable("kernel");
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(KpkeysError);
    expect(failure).toMatchObject({ code: "ERR_KERNEL_FAULT", where: "clear_page, CPU 0" });
  },
);

it.each(ARCHES)("without the hardening the page is reused: %s", (arch) => {
  const plain = machine(arch);
  const tables = plain.get(PageTables);
  const table = tables.allocTable("kernel")!;
  plain.get(PageAllocator).free(table, 0);
  expect(tables.allocTable("kernel")).toBe(table);
});
