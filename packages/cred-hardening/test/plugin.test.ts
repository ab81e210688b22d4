import { provide, resolve } from "@kpkeys/core";
import { CRED, Creds, ExtensionPoints, KernelMemory, Kpkeys, ProtectedObjects, Tasks } from "@kpkeys/core/contracts";
import type { DependencyContainer, PluginOptions, Task } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { codeOf } from "../../core/test/code-of.js";
import { setUpFeature } from "../../core/test/framework/tiny-machine.js";
import { credHardening, hardenedCred } from "../src/index.js";

const setUp = (options: PluginOptions = {}, config: readonly string[] = []): DependencyContainer =>
  setUpFeature(credHardening, options, { config });

describe("the feature", () => {
  it("registers its key and its contexts; UNRESTRICTED includes keys of later features", () => {
    const kpkeys = resolve(setUp(), Kpkeys);
    kpkeys.registerPkey("LATER" as "CRED");
    expect(kpkeys.pkey("CRED")).toBe(2);
    const rights = kpkeys.contextNames.map((context) =>
      ["DEFAULT", "CRED", "LATER"].map((key) => kpkeys.rights(context, key as "CRED")).join(" "),
    );
    expect(Object.fromEntries(kpkeys.contextNames.map((name, at) => [name, rights[at]]))).toEqual({
      DEFAULT: "rwx r r",
      CRED: "rwx rw r",
      UNRESTRICTED: "rwx rw rw",
    });
  });

  it("attaches its guards in pairs, its store and its suite", () => {
    const points = resolve(setUp(), ExtensionPoints);
    for (const point of ["slabInternalWrite", "slabInternalWriteDone", "rcuHeadWrite", "rcuHeadWriteDone"] as const) {
      expect(points.handlers(point)).toHaveLength(1);
    }
    expect(points.credStore).toBeDefined();
    expect(points.suites).toEqual([hardenedCred]);
    expect(hardenedCred.cases.map(({ name }) => name)).toEqual(["write_current_creds", "write_new_creds"]);
  });

  it("declares each live credential once", () => {
    const container = setUp();
    const task = (cred: number, realCred = cred): Task => ({ cred, realCred }) as Task;
    const all = [task(0x5000), task(0x5000), task(0x70c0, 0x7180)];
    provide(container, Tasks, { all } as unknown as Tasks);
    provide(container, Creds, { init: 0x5000 } as Creds);
    provide(container, KernelMemory, { pageBytes: 4096 } as KernelMemory);
    const [claim] = resolve(container, ProtectedObjects).claims;
    expect([...claim!.objects!()]).toEqual([
      { pfn: 5, offset: 0, size: CRED.size, pkey: 2, source: "init_cred" },
      { pfn: 7, offset: 0xc0, size: CRED.size, pkey: 2, source: "cred" },
      { pfn: 7, offset: 0x180, size: CRED.size, pkey: 2, source: "cred" },
    ]);
    expect(claim!.tablePkey).toBeUndefined();
  });

  it("rejects any option", () => {
    expect(codeOf(() => setUp({ move: true }))).toBe("ERR_SPEC");
  });
});

describe("its config symbols", () => {
  it("select KPKEYS_UNRESTRICTED_RCU, which cannot be turned off", () => {
    expect(codeOf(() => setUp({}, ["CONFIG_KPKEYS_UNRESTRICTED_RCU=y"]))).toBe("nothing thrown");
    expect(codeOf(() => setUp({}, ["# CONFIG_KPKEYS_UNRESTRICTED_RCU is not set"]))).toBe("ERR_CONFIG_DEPENDS");
  });

  it("depend on an architecture with kpkeys", () => {
    expect(codeOf(() => setUpFeature(credHardening, {}, { selects: [] }))).toBe("ERR_CONFIG_DEPENDS");
  });
});
