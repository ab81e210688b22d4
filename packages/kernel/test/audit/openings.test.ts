import type { PkeyName, ProtectedObject, Rights } from "@kpkeys/core/contracts";
import { toVpn } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { closingKey, openingOf, widestOpening } from "../../src/audit/openings.js";
import type { PageAlias } from "../../src/audit/scanner.js";

const KEY = 3;

/** Keys of a machine on which DEFAULT has the given rights on key 3. */
function kpkeys(inDefault: Rights, supported = true) {
  return {
    supported: () => supported,
    pkeyNames: new Map<number, PkeyName>([
      [0, "DEFAULT"],
      [KEY, "SECRET" as PkeyName],
    ]),
    rights: (_context: string, key: PkeyName): Rights => (key === "DEFAULT" ? "rwx" : inDefault),
  };
}

function alias(more: Partial<PageAlias>): PageAlias {
  return { page: toVpn(1), pkey: KEY, writable: true, user: false, ...more };
}

describe("a key closes", () => {
  it.each<[Rights, boolean, boolean]>([
    ["none", true, true],
    ["r", true, false],
    ["rx", true, false],
    ["rw", false, false],
    ["rwx", false, false],
  ])("with %s in DEFAULT: writes %s, reads %s", (inDefault, writes, reads) => {
    expect(closingKey(kpkeys(inDefault), KEY)).toEqual({ pkey: KEY, writes, reads });
  });

  it.each([0, 4, undefined])("nothing if it is key 0, not registered, or missing: %s", (pkey) => {
    expect(closingKey(kpkeys("none"), pkey)).toMatchObject({ writes: false, reads: false });
  });

  it("nothing on a machine without kernel pkeys", () => {
    expect(closingKey(kpkeys("none", false), KEY)).toMatchObject({ writes: false, reads: false });
  });
});

describe("a mapping is open", () => {
  type Case = [opening: string, withholds: ProtectedObject["withholds"], inDefault: Rights, more: Partial<PageAlias>];
  it.each<Case>([
    ["closed", "write", "r", {}],
    ["closed", undefined, "none", {}],
    ["closed", "write", "rw", { writable: false }],
    ["closed", "write", "r", { pkey: 0, writable: false }],
    ["closed", "read-write", "none", {}],
    ["closed", "read-write", "none", { writable: false }],
    ["write", "write", "rw", {}],
    ["write", "write", "r", { pkey: 0 }],
    ["write", undefined, "r", { user: true }],
    ["read", "read-write", "r", {}],
    ["read", "read-write", "none", { pkey: 0, writable: false }],
    ["read", "read-write", "none", { user: true, writable: false }],
    ["read-write", "read-write", "none", { pkey: 0 }],
    ["read-write", "read-write", "none", { user: true }],
    ["read-write", "read-write", "rw", {}],
  ])("%s: %s is withheld, DEFAULT has %s on the key, the mapping is %o", (opening, withholds, inDefault, more) => {
    expect(openingOf(alias(more), withholds, closingKey(kpkeys(inDefault), KEY)) ?? "closed").toBe(opening);
  });
});

describe("the widest opening", () => {
  const closing = closingKey(kpkeys("none"), KEY);
  const readable = alias({ page: toVpn(2), pkey: 0, writable: false });
  const writable = alias({ page: toVpn(3), pkey: 0 });

  it("is the first for writes at any place in the list, then the first for reads", () => {
    expect(widestOpening([alias({}), readable, writable], "read-write", closing)).toEqual({
      opening: "read-write",
      alias: writable,
    });
    const second = alias({ page: toVpn(4), pkey: 0, writable: false });
    expect(widestOpening([readable, second], "read-write", closing)).toEqual({ opening: "read", alias: readable });
  });

  it("does not exist if all mappings are closed, or there is none", () => {
    expect(widestOpening([alias({})], "read-write", closing)).toBeUndefined();
    expect(widestOpening([], "read-write", closing)).toBeUndefined();
  });
});
