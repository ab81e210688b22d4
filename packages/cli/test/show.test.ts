import { describe, expect, test } from "vitest";
import { showTextOf } from "../src/report/show.js";
import { PLAIN } from "../src/report/style.js";
import type { Policy } from "@kpkeys/scenarios";
import { demonstrate } from "../src/show/demonstration.js";
import type { Demonstration } from "../src/show/demonstration.js";
import { jobFor } from "./job-for.js";

function shown(arch: string, policy: Policy): Promise<Demonstration> {
  return demonstrate(jobFor(arch, { policy: [policy], memory: 64 * 2 ** 20 }));
}

/** POR_EL1 and IA32_PKRS with the key PGTABLES only: in the context DEFAULT (closed) and in PGTABLES (open). */
const REGISTER = {
  "arm64-poe": { name: "POR_EL1", closed: 0x17, open: 0x57, barriers: 2 },
  "x86-pks": { name: "IA32_PKRS", closed: 0x55555558, open: 0x55555550, barriers: 0 },
};

describe.each(Object.entries(REGISTER))("on %s", (arch, { name, closed, open, barriers }) => {
  test("set_pte opens the key, stores, and closes the key", async () => {
    const { setPte, entry } = await shown(arch, "naive");
    const writes = setPte.moments.flatMap((moment) => (moment.kind === "register" ? [moment] : []));
    expect(writes.map((write) => [write.name, parseInt(write.before, 16), parseInt(write.after, 16)])).toEqual([
      [name, closed, open],
      [name, open, closed],
    ]);
    expect(writes.map(({ changes }) => changes.map(({ pkey }) => pkey))).toEqual([[entry.pkey], [entry.pkey]]);
    expect(setPte.moments.filter(({ kind }) => kind === "barrier")).toHaveLength(barriers);
    expect(setPte.fault).toBeNull();
    expect(setPte.after).not.toBe(setPte.before);
  });

  test("the stray store finds the entry by the same walk and is denied by the key", async () => {
    const { setPte, stray, reached } = await shown(arch, "naive");
    const walks = [setPte, stray].map(({ moments }) => moments.find(({ kind }) => kind === "walk"));
    expect(walks[1]).toEqual(walks[0]);
    expect(stray.moments.filter(({ kind }) => kind === "register")).toEqual([]);
    expect(stray.fault?.registers[name]).toMatch(closed.toString(16));
    expect(stray.fault!.explain.at(-1)!.split(",")).toHaveLength(4);
    expect(stray.fault!.explain).toContain(stray.fault!.registers[name]);
    expect(stray.after).toBe(stray.before);
    expect(reached).toBe(false);
  });

  test("with the hardening off the stray store is written and the process can store to the kernel image", async () => {
    const { setPte, stray, entry, reached } = await shown(arch, "off");
    expect(entry.pkey).toBe(0);
    expect(setPte.moments.map(({ kind }) => kind)).toEqual(["walk"]);
    expect(stray.fault).toBeNull();
    expect(stray.after).not.toBe(stray.before);
    expect(reached).toBe(true);
  });
});

test("the text of both architectures has fewer than 60 lines", async () => {
  const machines = await Promise.all(
    Object.keys(REGISTER).flatMap((arch) => [shown(arch, "naive"), shown(arch, "off")]),
  );
  expect(showTextOf({ machines }, PLAIN).split("\n").length).toBeLessThan(60);
});
