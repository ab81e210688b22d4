import { KpkeysError } from "@kpkeys/core";
import { SETTERS } from "@kpkeys/core/contracts";
import type { PluginOptions, Setter } from "@kpkeys/core/contracts";

/** How the page tables are protected. Versions of the series differ in these. */
export interface PgtablesOptions {
  /**
   * Whether a lazy MMU section switches the key register once, instead of every setter in it. Default true: since v4, patch
   * "arm64: kpkeys: Batch KPKEYS_CTX_PGTABLES switches".
   */
  readonly batching?: boolean;
  /**
   * Which mappings of static table pages get the key: the linear map alone, as v7 and v8 have it
   * (`arch_kpkeys_protect_static_pgtables()`), or the kernel image's own mapping too. Default `both`: with the linear map alone
   * the tables can be written through the image.
   */
  readonly staticAliases?: "linear" | "both";
  /** Setters left without a guard. Default none; v2 missed `clear_young_dirty_pte`. */
  readonly unguarded?: readonly Setter[];
}

/**
 * Reads the options of a machine's specification.
 *
 * @param options - plain JSON
 * @returns all options, with their defaults
 * @throws KpkeysError ERR_SPEC for an option that does not exist or a value that it cannot have
 */
export function readOptions(options: PluginOptions): Required<PgtablesOptions> {
  const { batching = true, staticAliases = "both", unguarded = [], ...unknown } = options;
  for (const name of Object.keys(unknown)) {
    throw refused(`there is no option '${name}'`, "batching, staticAliases or unguarded");
  }
  if (typeof batching !== "boolean") throw refused("batching is no truth value", "true or false");
  if (staticAliases !== "linear" && staticAliases !== "both") {
    throw refused("staticAliases names no mappings", "'linear' or 'both'");
  }
  if (!Array.isArray(unguarded) || !unguarded.every(isSetter)) {
    throw refused("unguarded is no list of setters", `some of ${SETTERS.join(", ")}`);
  }
  return { batching, staticAliases, unguarded };
}

function isSetter(name: unknown): name is Setter {
  return SETTERS.some((setter) => setter === name);
}

function refused(what: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_SPEC", what, { where: "options of pgtables", expected });
}
