import { createPhysicalMemory } from "@kpkeys/core/machine";
import { toPfn } from "@kpkeys/core/contracts";
import type { ProtectedObject } from "@kpkeys/core/contracts";
import { describe, expect, it } from "vitest";
import { declaredObjects } from "../../src/audit/declared-objects.js";

const memory = createPhysicalMemory([
  { firstPfn: toPfn(16), pages: 16 },
  { firstPfn: toPfn(64), pages: 16 },
]);
const GOOD = { pfn: 20, offset: 4088, size: 8, pkey: 1, source: "cred" };

const declare = (object: unknown): readonly ProtectedObject[] =>
  declaredObjects([{ feature: "toy", objects: () => [object as ProtectedObject] }], memory);

describe("a declared object", () => {
  it("can be in every bank, and as large as a page", () => {
    expect(declare(GOOD)).toEqual([GOOD]);
    expect(declare({ ...GOOD, pfn: 79, offset: 0, size: 4096, withholds: "read-write" })).toHaveLength(1);
  });

  it.each([
    ["is null", null],
    ["is outside RAM", { ...GOOD, pfn: 2 ** 30 }],
    ["is in a hole of RAM", { ...GOOD, pfn: 32 }],
    ["has no page frame", { ...GOOD, pfn: undefined }],
    ["has a page frame that is not a number", { ...GOOD, pfn: NaN }],
    ["has no bytes", { ...GOOD, size: 0 }],
    ["has a negative size", { ...GOOD, size: -8 }],
    ["has a size that is no multiple of 8", { ...GOOD, offset: 0, size: 12 }],
    ["has an offset that is no multiple of 8", { ...GOOD, offset: 4 }],
    ["ends after its page", { ...GOOD, size: 16 }],
    ["has no source", { ...GOOD, source: undefined }],
    ["has a source that every object has", { ...GOOD, source: "__proto__" }],
    ["withholds something else", { ...GOOD, withholds: "read" }],
  ])("that %s is an error of its feature", (_, object) => {
    const refused = { code: "ERR_PLUGIN_INVALID", where: "plugin 'toy'" };
    expect(() => declare(object)).toThrow(expect.objectContaining(refused) as Error);
  });
});
