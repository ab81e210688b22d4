import type { PluginOptions } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import { readTlbGeometry } from "./tlb-geometry.js";
import type { TlbGeometry } from "./tlb-geometry.js";

/** The options that all architecture plugins have. */
export interface ArchOptions {
  /** Whether the CPU has kernel pkeys (POE, PKS). Without them, keys in entries have no effect. Default true. */
  readonly pkeys: boolean;
  /**
   * Whether entering a context skips the register write if the value does not change, as in the latest version of the series. Default
   * true.
   */
  readonly skipEqualWrites: boolean;
  /** Number of physical-address bits. An entry with a higher output address is an address size fault or a reserved bit. */
  readonly physicalAddressBits: number;
  /** Size and policy of each CPU's TLB. Default 1,024 sets of one way. */
  readonly tlb: TlbGeometry;
}

/** The range of physical-address widths of an architecture, in bits. */
export interface PhysicalAddressWidth {
  /** The default. */
  readonly standard: number;
  /** The minimum. */
  readonly least: number;
  /** The maximum. */
  readonly most: number;
}

/**
 * The error for an invalid value of an option of an architecture plugin.
 *
 * @param plugin - the plugin's id
 * @param option - the option's name
 * @param expected - the valid values
 */
export function refuseArchOption(plugin: string, option: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_SPEC", `option '${option}' has an invalid value`, {
    where: `plugin ${plugin}`,
    expected,
  });
}

/**
 * Reads the options of an architecture plugin.
 *
 * @param plugin - the plugin's id, for the message
 * @param options - the options as the machine's specification gives them
 * @param width - the range of `physicalAddressBits`
 * @param own - names of the options that the architecture reads itself
 * @returns all options, with defaults
 * @throws KpkeysError ERR_SPEC for an unknown option or an invalid value
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
  if (typeof pkeys !== "boolean") throw refuse("option 'pkeys' is not a boolean", "true or false");
  if (typeof skipEqualWrites !== "boolean") throw refuse("option 'skipEqualWrites' is not a boolean", "true or false");
  const { least, most } = width;
  if (
    typeof physicalAddressBits !== "number" ||
    !Number.isInteger(physicalAddressBits) ||
    physicalAddressBits < least ||
    physicalAddressBits > most
  ) {
    throw refuse("option 'physicalAddressBits' is out of range", `an integer from ${least} to ${most}`);
  }
  return { pkeys, skipEqualWrites, physicalAddressBits, tlb: readTlbGeometry(tlb, refuse) };
}
