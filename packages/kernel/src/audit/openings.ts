import type { Kpkeys, ProtectedObject } from "@kpkeys/core/contracts";
import type { PageAlias } from "./scanner.js";

/**
 * The accesses that the context DEFAULT may make and must not: writes of protected memory, and reads of memory whose reads are withheld.
 * A mapping that is open for writes of a secret is open for reads too, because no register can allow writes without reads.
 */
export type Opening = "write" | "read" | "read-write";

/** A key, and the accesses of DEFAULT that it denies. */
export interface ClosingKey {
  /** Its number; `undefined` if there is none. */
  readonly pkey: number | undefined;
  /** Whether it denies writes. */
  readonly writes: boolean;
  /** Whether it denies reads. */
  readonly reads: boolean;
}

/** An opening, and the mapping that has it. */
export interface OpenAlias {
  /** The accesses. */
  readonly opening: Opening;
  /** The mapping. */
  readonly alias: PageAlias;
}

const NO_KEY: ClosingKey = { pkey: undefined, writes: false, reads: false };

/**
 * The accesses that a key denies in DEFAULT. A key that DEFAULT may write protects nothing; neither does a key that is not registered,
 * because contexts leave its field in the register as it is.
 * @param kpkeys - the machine's kpkeys API
 * @param pkey - the key's number; `undefined` if there is none
 * @returns no accesses on a machine without kernel pkeys
 */
export function closingKey(
  kpkeys: Pick<Kpkeys, "supported" | "pkeyNames" | "rights">,
  pkey: number | undefined,
): ClosingKey {
  const name = pkey === undefined ? undefined : kpkeys.pkeyNames.get(pkey);
  if (name === undefined || !kpkeys.supported()) return NO_KEY;
  const rights = kpkeys.rights("DEFAULT", name);
  return { pkey, writes: !rights.includes("w"), reads: rights === "none" };
}

/**
 * The accesses for which a mapping is open. A user mapping is closed by no key: PKRS applies to supervisor pages only, and POR_EL1 to
 * accesses of EL1 only, so that the process decides about its accesses with PKRU or POR_EL0.
 * @param alias - a mapping of the memory
 * @param withholds - the accesses that DEFAULT must not make
 * @param closing - the key that must be in the mapping
 * @returns the accesses; `undefined` if the mapping is closed
 */
export function openingOf(
  alias: PageAlias,
  withholds: ProtectedObject["withholds"],
  closing: ClosingKey,
): Opening | undefined {
  const hasKey = !alias.user && alias.pkey === closing.pkey;
  const write = alias.writable && !(hasKey && closing.writes);
  const read = withholds === "read-write" && !(hasKey && closing.reads);
  if (write) return read ? "read-write" : "write";
  return read ? "read" : undefined;
}

/**
 * The widest opening of memory: the first mapping that is open for writes, otherwise the first that is open for reads.
 * @param aliases - all mappings of the memory
 * @param withholds - the accesses that DEFAULT must not make
 * @param closing - the key that must be in the mappings
 * @returns the opening; `undefined` if all mappings are closed
 */
export function widestOpening(
  aliases: readonly PageAlias[],
  withholds: ProtectedObject["withholds"],
  closing: ClosingKey,
): OpenAlias | undefined {
  let readable: OpenAlias | undefined;
  for (const alias of aliases) {
    const opening = openingOf(alias, withholds, closing);
    if (opening === undefined) continue;
    if (opening !== "read") return { opening, alias };
    readable ??= { opening, alias };
  }
  return readable;
}
