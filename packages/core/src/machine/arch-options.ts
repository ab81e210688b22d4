import type { PluginOptions } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import { readTlbGeometry } from "./tlb-geometry.js";
import type { TlbGeometry } from "./tlb-geometry.js";

/** The options that every architecture plugin takes. */
export interface ArchOptions {
  /** Whether the CPU has kernel pkeys at all (POE, PKS); if not, keys in entries have no effect. Default true. */
  readonly pkeys: boolean;
  /**
   * Whether entering a context whose register value is the current one writes nothing, as the newest form of the series has
   * it. Default true.
   */
  readonly skipEqualWrites: boolean;
  /** Number of physical-address bits; an entry with a higher output address is refused by the walk. */
  readonly physicalAddressBits: number;
  /** Size and policy of each CPU's TLB. Default 1,024 sets of one way. */
  readonly tlb: TlbGeometry;
}

/** What an architecture says about its physical addresses. */
export interface PhysicalAddressWidth {
  /** Bits unless the option says otherwise. */
  readonly standard: number;
  /** Fewest bits that a CPU may have. */
  readonly least: number;
  /** Most bits that a CPU may have. */
  readonly most: number;
}

/**
 * The error for an option of an architecture plugin that has an impossible value.
 *
 * @param plugin - the plugin's id
 * @param option - the option's name
 * @param expected - the values that it may have
 */
export function refuseArchOption(plugin: string, option: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_SPEC", `option '${option}' has an impossible value`, {
    where: `plugin ${plugin}`,
    expected,
  });
}

/**
 * Reads the options of an architecture plugin.
 *
 * @param plugin - the plugin's id, for the message
 * @param options - the options as the machine's specification gives them
 * @param width - how wide physical addresses may be
 * @param own - names of the options that the architecture reads by itself
 * @returns all options, defaults filled in
 * @throws KpkeysError ERR_SPEC for an option that does not exist or has an impossible value
 */
export function readArchOptions(
  plugin: string,
  options: PluginOptions,
  width: PhysicalAddressWidth,
  own: readonly string[] = [],
): ArchOptions {
  const { pkeys = true, skipEqualWrites = true, physicalAddressBits = width.standard, tlb = {}, ...others } = options;
  const refuse = (what: string, expected: string): KpkeysError =>
    new KpkeysError("ERR_SPEC", what, { where: `plugin ${plugin}`, expected });

  const unknown = Object.keys(others).find((name) => !own.includes(name));
  if (unknown !== undefined) {
    const known = [...own, "pkeys", "skipEqualWrites", "physicalAddressBits"];
    throw refuse(`unknown option '${unknown}'`, `${known.join(", ")} or tlb`);
  }
  if (typeof pkeys !== "boolean") throw refuse("option 'pkeys' is no boolean", "true or false");
  if (typeof skipEqualWrites !== "boolean") throw refuse("option 'skipEqualWrites' is no boolean", "true or false");
  const { least, most } = width;
  if (
    typeof physicalAddressBits !== "number" ||
    !Number.isInteger(physicalAddressBits) ||
    physicalAddressBits < least ||
    physicalAddressBits > most
  ) {
    throw refuse("option 'physicalAddressBits' is out of range", `a whole number from ${least} to ${most}`);
  }
  return { pkeys, skipEqualWrites, physicalAddressBits, tlb: readTlbGeometry(tlb, refuse) };
}
