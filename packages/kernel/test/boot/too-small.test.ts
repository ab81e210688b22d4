import { KpkeysError, provide, resolve } from "@kpkeys/core";
import { PgtableArch } from "@kpkeys/core/contracts";
import type { Plugin } from "@kpkeys/core/contracts";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { variant } from "../support/arches.js";
import { boot } from "../support/machine.js";

const MiB = 2 ** 20;

/** The error of a boot; `undefined` if the machine boots. Any other exception fails the test. */
function errorOf(bytes: number, arch?: Plugin): KpkeysError | undefined {
  try {
    boot({ memory: [{ bytes }] }, arch === undefined ? {} : { arch });
    return undefined;
  } catch (error) {
    if (error instanceof KpkeysError) return error;
    throw error;
  }
}

/** The bytes that the advice names. */
const advised = ({ message }: KpkeysError): number => Number(/at least (\d+) MiB/.exec(message)![1]) * MiB;

/** The architecture with a pool of image tables, and with the image at an offset. */
const withPool = (pages: number, imageOffset?: number): Plugin =>
  variant((container) => {
    const original = resolve(container, PgtableArch);
    const staticTables = original.staticTables.map((run) => (run.role === "image" ? { ...run, pages } : run));
    const layout = imageOffset === undefined ? original.layout : { ...original.layout, imageOffset };
    provide(container, PgtableArch, { ...original, staticTables, layout });
  });

describe("a machine that is too small", () => {
  it("gives the smallest memory that boots, for every place of the image", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 16 }), fc.integer({ min: 1, max: 24 }), (offset, size) => {
        const arch = withPool(8, offset * 4 * MiB);
        const error = errorOf(size * 4 * MiB, arch);
        if (error === undefined) return;
        expect(error.code).toBe("ERR_OUT_OF_MEMORY");
        const least = advised(error);
        expect(least).toBeGreaterThan(size * 4 * MiB);
        expect(errorOf(least, arch)).toBeUndefined();
        expect(errorOf(least - 4 * MiB, arch)?.code).toBe("ERR_OUT_OF_MEMORY");
      }),
      { numRuns: 40 },
    );
  });

  it("gives no size if none boots", () => {
    const error = errorOf(64 * MiB, withPool(1))!;
    expect(error.code).toBe("ERR_OUT_OF_MEMORY");
    expect(error.message).toContain("PgtableArch.staticTables");
  });
});

it("gives the number of static tables that boot needs, which is enough", () => {
  const [, needed, available] = /(\d+) needed, (\d+) available/.exec(errorOf(64 * MiB, withPool(0))!.message)!;
  expect(available).toBe("0");
  expect(errorOf(64 * MiB, withPool(Number(needed)))).toBeUndefined();
  const less = errorOf(64 * MiB, withPool(Number(needed) - 1))!;
  expect(less.code).toBe("ERR_OUT_OF_MEMORY");
  expect(less.message).toContain(`${needed} needed, ${Number(needed) - 1} available`);
});
