import { toPkey } from "../../src/contracts/index.js";
import {
  createContainer,
  ExtensionPointTable,
  ProtectedObjectList,
  StaticKeyTable,
  lazily,
  provide,
  registerFramework,
  resolve,
} from "../../src/index.js";
import {
  ExtensionPoints,
  Kpkeys,
  KpkeysArch,
  PkeyRegister,
  ProtectedObjects,
  SETTERS,
  StaticKeys,
  token,
} from "../../src/contracts/index.js";
import type { ExtensionPoint, Guard, KpkeysState, Setter, TableAllocator, Token } from "../../src/contracts/index.js";
import { container as globalContainer } from "tsyringe";
import { describe, expect, it } from "vitest";
import { codeOf } from "../code-of.js";
import "./open-types.js";
import { createTinyArch, GRANTING } from "./tiny-arch.js";

const guard: Guard = { enter: () => 0 as KpkeysState, exit: () => undefined };

describe("static keys", () => {
  it("are off at boot, stay on once enabled, and are read-only after init", () => {
    const keys = new StaticKeyTable();
    const one = keys.define("kpkeys_hardened_pgtables_key");
    const two = keys.define("other_key");
    expect([one.enabled, two.enabled]).toEqual([false, false]);
    one.enable();
    one.enable();
    keys.freeze();
    expect(
      codeOf(() => {
        two.enable();
      }),
    ).toBe("ERR_FROZEN");
    expect(codeOf(() => keys.define("late_key"))).toBe("ERR_FROZEN");
    expect(keys.all.map(({ name, enabled }) => [name, enabled])).toEqual([
      ["kpkeys_hardened_pgtables_key", true],
      ["other_key", false],
    ]);
  });
});

describe("extension points", () => {
  it("keep the handlers of a point in the order in which they were attached", () => {
    const points = new ExtensionPointTable();
    const seen: string[] = [];
    points.on("exceptionEntry", () => seen.push("first"));
    points.on("exceptionExit", () => seen.push("other point"));
    points.on("exceptionEntry", () => seen.push("second"));
    for (const handler of points.handlers("exceptionEntry")) handler();
    expect(seen).toEqual(["first", "second"]);
    expect(points.handlers("cpuOnline")).toEqual([]);
  });

  it("accept one guard for each setter", () => {
    const points = new ExtensionPointTable();
    for (const setter of SETTERS) points.setGuard(setter, guard);
    for (const setter of SETTERS) {
      expect(points.guard(setter)).toBe(guard);
      expect(
        codeOf(() => {
          points.setGuard(setter, guard);
        }),
      ).toBe("ERR_GUARD_TAKEN");
    }
    expect(new ExtensionPointTable().guard("set_pte")).toBeUndefined();
  });

  it("accept one allocator of table pages, before freeze", () => {
    const points = new ExtensionPointTable();
    const allocator: TableAllocator = {
      alloc: () => undefined,
      free: () => undefined,
      allocEarly: () => undefined,
      prepareSplit: () => 0,
      readyForSplit: () => true,
    };
    const take = (): void => {
      points.setTableAllocator(allocator);
    };
    expect(points.tableAllocator).toBeUndefined();
    take();
    expect(points.tableAllocator).toBe(allocator);
    expect(codeOf(take)).toBe("ERR_GUARD_TAKEN");
    points.freeze();
    expect(codeOf(take)).toBe("ERR_FROZEN");
  });

  it("reject an unknown point or setter, whose handler would never run", () => {
    const points = new ExtensionPointTable();
    expect(
      codeOf(() => {
        points.on("lazyMmuEntre" as ExtensionPoint, () => 0);
      }),
    ).toBe("ERR_EXTENSION_UNKNOWN");
    expect(
      codeOf(() => {
        points.on("toString" as ExtensionPoint, () => 0);
      }),
    ).toBe("ERR_EXTENSION_UNKNOWN");
    expect(
      codeOf(() => {
        points.setGuard("set_ptes" as Setter, guard);
      }),
    ).toBe("ERR_EXTENSION_UNKNOWN");
  });

  it("are read-only after freeze", () => {
    const points = new ExtensionPointTable();
    points.addSuite({ name: "suite", cases: [] });
    points.freeze();
    expect(
      codeOf(() => {
        points.on("exceptionEntry", () => undefined);
      }),
    ).toBe("ERR_FROZEN");
    expect(
      codeOf(() => {
        points.setGuard("set_pte", guard);
      }),
    ).toBe("ERR_FROZEN");
    expect(
      codeOf(() => {
        points.addSuite({ name: "late", cases: [] });
      }),
    ).toBe("ERR_FROZEN");
    expect(points.suites.map(({ name }) => name)).toEqual(["suite"]);
  });
});

describe("protected objects", () => {
  it("are declared by features before freeze", () => {
    const objects = new ProtectedObjectList();
    objects.declare({ feature: "pgtables", tablePkey: toPkey(1) });
    objects.freeze();
    expect(
      codeOf(() => {
        objects.declare({ feature: "cred" });
      }),
    ).toBe("ERR_FROZEN");
    expect(objects.claims).toEqual([{ feature: "pgtables", tablePkey: 1 }]);
  });
});

describe("a machine's container", () => {
  it("has its own framework, separate from other machines", () => {
    const machines = [createContainer(), createContainer()].map((container) => {
      registerFramework(container);
      provide(container, PkeyRegister, GRANTING);
      provide(container, KpkeysArch, createTinyArch());
      return container;
    });
    const [one, two] = machines as [(typeof machines)[0], (typeof machines)[0]];
    for (const contract of [Kpkeys, StaticKeys, ExtensionPoints, ProtectedObjects] as Token<object>[]) {
      expect(resolve(one, contract)).toBe(resolve(one, contract));
      expect(resolve(one, contract)).not.toBe(resolve(two, contract));
    }
    resolve(one, Kpkeys).registerPkey("PGTABLES");
    expect(resolve(two, Kpkeys).pkeyNames.size).toBe(1);
  });

  it("names the missing contract", () => {
    const container = createContainer();
    const missing: Token<object> = token("TestMissing");
    const later = lazily(container, missing);
    expect(codeOf(() => resolve(container, missing))).toBe("ERR_CONTRACT_MISSING");
    expect(() => later()).toThrow("@kpkeys/core:TestMissing");
    const made = {};
    provide(container, missing, made);
    expect(later()).toBe(made);
  });

  it("names the missing dependency of a service", () => {
    const container = createContainer();
    registerFramework(container);
    provide(container, PkeyRegister, GRANTING);
    expect(codeOf(() => resolve(container, Kpkeys))).toBe("ERR_CONTRACT_MISSING");
    expect(() => resolve(container, Kpkeys)).toThrow("@kpkeys/core:KpkeysArch");
    provide(container, KpkeysArch, createTinyArch());
    expect(resolve(container, Kpkeys).pkeyNames.size).toBe(1);
  });

  it("does not see what is registered in tsyringe's global container", () => {
    const own: Token<object> = token("TestGlobal");
    globalContainer.registerInstance(own, {});
    expect(codeOf(() => resolve(createContainer(), own))).toBe("ERR_CONTRACT_MISSING");
  });
});
