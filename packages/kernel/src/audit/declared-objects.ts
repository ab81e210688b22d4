import { KpkeysError } from "@kpkeys/core";
import type { PhysicalMemory, ProtectedObject, ProtectionClaim } from "@kpkeys/core/contracts";

/**
 * The objects that the features declare, each with a checked form: a plugin in JavaScript may declare anything.
 *
 * @param claims - the features' claims
 * @param memory - the machine's RAM
 * @returns the objects, in the order of the claims
 * @throws KpkeysError ERR_PLUGIN_INVALID for an object outside RAM, and for a field with the wrong form
 */
export function declaredObjects(
  claims: readonly ProtectionClaim[],
  memory: PhysicalMemory,
): readonly ProtectedObject[] {
  const isRam = (pfn: number): boolean =>
    memory.banks.some(({ firstPfn, pages }) => pfn >= firstPfn && pfn < firstPfn + pages);
  const pageSize = 2 ** memory.pageShift;
  const declared: ProtectedObject[] = [];
  for (const { feature, objects } of claims) {
    for (const object of objects?.() ?? []) {
      const problem = problemOf(object, pageSize, isRam);
      if (problem !== undefined) throw malformed(feature, problem);
      declared.push(object);
    }
  }
  return declared;
}

/** The first field with the wrong form, and its valid form. */
type Problem = readonly [what: string, expected: string];

/** The fields of an object that a plugin in JavaScript declares. */
type Fields = Readonly<Partial<Record<keyof ProtectedObject, unknown>>>;

function problemOf(object: unknown, pageSize: number, isRam: (pfn: number) => boolean): Problem | undefined {
  if (typeof object !== "object" || object === null)
    return [`a declared object is ${String(object)}`, "pfn, offset, size, pkey and source"];
  const { pfn, offset, size, source, withholds = "write" } = object as Fields;
  if (typeof source !== "string" || source === "" || source in {})
    return [`the source of a declared object is '${String(source)}'`, "the kind of the object, such as 'cred'"];
  if (!isWhole(pfn) || !isRam(pfn))
    return [`the page frame of a declared ${source} is ${String(pfn)}`, "a page-frame number in RAM"];
  if (!isInPage(offset, size, pageSize)) {
    return [
      `a declared ${source} has ${String(size)} bytes at offset ${String(offset)}`,
      `multiples of 8 inside a page of ${pageSize} bytes`,
    ];
  }
  if (withholds !== "write" && withholds !== "read-write")
    return [`a declared ${source} withholds '${String(withholds)}'`, "'write' or 'read-write'"];
  return undefined;
}

/** Whether bytes of a page are whole words inside it. */
function isInPage(offset: unknown, size: unknown, pageSize: number): boolean {
  if (!isWhole(offset) || !isWhole(size) || offset % 8 !== 0 || size % 8 !== 0) return false;
  return offset >= 0 && size > 0 && offset + size <= pageSize;
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function malformed(feature: string, [what, expected]: Problem): KpkeysError {
  return new KpkeysError("ERR_PLUGIN_INVALID", what, { where: `plugin '${feature}'`, expected });
}
