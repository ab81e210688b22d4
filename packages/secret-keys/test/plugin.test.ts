import { resolve } from "@kpkeys/core";
import { ExtensionPoints, Kpkeys, ProtectedObjects } from "@kpkeys/core/contracts";
import type { DependencyContainer, PluginOptions } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { codeOf } from "../../core/test/code-of.js";
import { setUpFeature } from "../../core/test/framework/tiny-machine.js";
import { ALL_KEYS, PacKey, secretKeys, SECRETS, secretKeysSuite, ThreadSecrets } from "../src/index.js";

const setUp = (options: PluginOptions = {}, config: readonly string[] = []): DependencyContainer =>
  setUpFeature(secretKeys, options, { config });

describe("the feature", () => {
  it("registers a key that DEFAULT and allocators cannot read, and a context for each kind of access", () => {
    const kpkeys = resolve(setUp(), Kpkeys);
    kpkeys.defineContext("UNRESTRICTED", {});
    expect(kpkeys.pkeyOwner("SECRETS")).toBe("secrets");
    expect(kpkeys.contextNames.map((name) => [name, kpkeys.rights(name, "SECRETS")])).toEqual([
      ["DEFAULT", "none"],
      ["SECRETS_READ", "r"],
      ["SECRETS_WRITE", "rw"],
      ["UNRESTRICTED", "none"],
    ]);
  });

  it("follows the life of tasks, and adds its suite", () => {
    const points = resolve(setUp(), ExtensionPoints);
    for (const point of ["taskCreated", "taskExec", "taskExited", "contextSwitch", "cpuResume"] as const) {
      expect(points.handlers(point)).toHaveLength(1);
    }
    expect(points.suites).toEqual([secretKeysSuite]);
  });

  it("has no secrets, and declares none, before pages can have a key", () => {
    const container = setUp();
    const [created] = resolve(container, ExtensionPoints).handlers("taskCreated");
    expect(created!(5, 0)).toBe(0);
    const secrets = resolve(container, ThreadSecrets);
    expect([secrets.threads, secrets.slotOf(5), [...secrets.installed(0)].every((word) => word === 0)]).toEqual([
      0,
      undefined,
      true,
    ]);
    const [claim] = resolve(container, ProtectedObjects).claims;
    expect([...claim!.objects!()]).toEqual([]);
  });

  it("rejects any option", () => {
    expect(codeOf(() => setUp({ pages: 2 }))).toBe("ERR_SPEC");
  });

  it("depends on an architecture with kpkeys", () => {
    expect(codeOf(() => setUpFeature(secretKeys, {}, { selects: [] }))).toBe("ERR_CONFIG_DEPENDS");
  });
});

describe("the slot", () => {
  // <asm/pointer_auth.h>: struct ptrauth_keys_user has apia, apib, apda, apdb, apga of struct ptrauth_key { lo, hi }.
  it("has the layout of arm64's keys, and PR_PAC_ bits of <linux/prctl.h> in the order of the keys", () => {
    expect(SECRETS).toMatchObject({ key: 16, user: 0, kernel: 5 * 16, size: 6 * 16 });
    expect(SECRETS.slot % 64).toBe(0);
    expect(SECRETS.slot).toBeGreaterThanOrEqual(SECRETS.size);
    expect(PacKey).toEqual({ APIA: 1 << 0, APIB: 1 << 1, APDA: 1 << 2, APDB: 1 << 3, APGA: 1 << 4 });
    expect(ALL_KEYS).toBe(Object.values<number>(PacKey).reduce((mask, key) => mask | key));
  });
});
