import { Access, EntryType, FaultKind, toLevel } from "@kpkeys/core/contracts";
import type {
  AccessSetup,
  ExplainRules,
  Geometry,
  KeyUse,
  PageTableFormat,
  Rule,
  WalkStep,
  WhatIf,
} from "@kpkeys/core/contracts";
import { fromWords, hex } from "@kpkeys/core/machine";
import { Bit, HighBit } from "./entry-bits.js";
import { createPageTableFormat, ENTRY_KEYS, hasReservedBits } from "./format.js";
import { LAST_LEVEL } from "./geometry.js";
import { CR0_WP, CR4_PKE, CR4_PKS, CR4_SMAP, CR4_SMEP, EFER_NXE, IA32_PKRS, RFLAGS_AC } from "./registers.js";

/** The codec with the widest addresses: the regime checks reserved bits. */
const FORMAT = createPageTableFormat(52);

/** @returns the codec for a shape of tables */
export function formatOf(geometry: Geometry): PageTableFormat {
  return createPageTableFormat(52, geometry);
}

const PAGING = "SDM vol. 3, 4-Level Paging and 5-Level Paging";
const RIGHTS = "SDM vol. 3, Determination of Access Rights";
const KEYS = "SDM vol. 3, Protection Keys";
const FAULTS = "SDM vol. 3, Page-Fault Exceptions";

/** Whether a control bit is set. */
function flag({ registers }: AccessSetup, name: string, bit: number): 0 | 1 {
  return (registers[name]! & BigInt(bit)) === 0n ? 0 : 1;
}

/** The value of each named bit of an entry. */
function bitsOf(low: number, bits: readonly (readonly [name: string, bit: number])[]): string {
  return bits.map(([name, bit]) => `${name} ${(low & bit) === 0 ? 0 : 1}`).join(", ");
}

function entry({ level, high, low }: WalkStep, setup: AccessSetup): Rule {
  if ((low & Bit.P) === 0) return { text: "not present: P is 0", source: PAGING };
  const last = setup.format.geometry.levels.length - 1;
  const isLeaf = setup.format.typeOf(toLevel(level), high, low) === EntryType.LEAF || level === last;
  const address = hex(BigInt(FORMAT.pfnOf(high, low)) << 12n);
  const what = `${isLeaf ? "page" : "table"} at ${address}`;
  const rights = bitsOf(low, [
    ["R/W", Bit.RW],
    ["U/S", Bit.US],
  ]);
  const disabled = high < 0 ? 1 : 0;
  const state = isLeaf
    ? `${bitsOf(low, [
        ["A", Bit.A],
        ["D", Bit.D],
        ["G", Bit.G],
      ])}, key ${ENTRY_KEYS.pkeyOf(high, low)}`
    : bitsOf(low, [["A", Bit.A]]);
  const reserved = hasReservedBits(level - last + LAST_LEVEL, isLeaf, high, low, setup.physicalAddressBits)
    ? ", a reserved bit is set"
    : "";
  return { text: `${what}, ${rights}, XD ${disabled}, ${state}${reserved}`, source: PAGING };
}

/** The levels of the entries in which a bit has a value. */
function levelsWith(setup: AccessSetup, bit: bigint, on: boolean): number[] {
  return setup.entries.flatMap((value, level) => (((value & bit) !== 0n) === on ? [level] : []));
}

/** `a`, `a and b`, `a, b and c`. */
const LIST = new Intl.ListFormat("en-GB");

function namesOf({ format }: AccessSetup, levels: readonly number[]): string {
  return LIST.format(levels.map((level) => format.geometry.levels[level]!.name));
}

/** R/W and U/S must be 1 in every entry, XD in none. */
const RW = BigInt(Bit.RW);
const US = BigInt(Bit.US);
const XD = fromWords(HighBit.XD, 0);

function isUserPage(setup: AccessSetup): boolean {
  return levelsWith(setup, US, false).length === 0;
}

function baseRights(setup: AccessSetup): Rule[] {
  const readOnly = levelsWith(setup, RW, false);
  const supervisor = levelsWith(setup, US, false);
  const disabled = levelsWith(setup, XD, true);
  const shown = [
    readOnly.length === 0 ? "R/W is 1 in every entry" : `R/W is 0 in ${namesOf(setup, readOnly)}`,
    supervisor.length === 0
      ? "U/S is 1 in every entry: a user-mode address"
      : `U/S is 0 in ${namesOf(setup, supervisor)}: a supervisor-mode address`,
    disabled.length === 0 ? "XD is 0 in every entry" : `XD is 1 in ${namesOf(setup, disabled)}`,
  ];
  const controls = [
    `CR0.WP ${flag(setup, "CR0", CR0_WP)}`,
    `CR4.SMEP ${flag(setup, "CR4", CR4_SMEP)}`,
    `CR4.SMAP ${flag(setup, "CR4", CR4_SMAP)}`,
    `RFLAGS.AC ${flag(setup, "RFLAGS", RFLAGS_AC)}`,
  ];
  return [
    { text: shown.join("; "), source: RIGHTS },
    { text: controls.join(", "), source: RIGHTS },
  ];
}

function keyUse(setup: AccessSetup, { high, low }: WalkStep): KeyUse {
  const user = isUserPage(setup);
  if (setup.access === Access.FETCH) return { unasked: "keys do not apply to a fetch", source: KEYS };
  if (flag(setup, "CR4", user ? CR4_PKE : CR4_PKS) === 0) {
    const why = user ? "CR4.PKE is 0: user-mode addresses" : "CR4.PKS is 0: supervisor-mode addresses";
    return { unasked: `${why} have no keys`, source: KEYS };
  }
  return {
    key: ENTRY_KEYS.pkeyOf(high, low),
    field: "protection key",
    register: user ? "PKRU" : IA32_PKRS.name,
    value: user ? setup.registers["PKRU"]! : setup.pkeyRegister,
    ofKernel: !user,
    source: KEYS,
  };
}

function decision(kind: FaultKind): Rule {
  switch (kind) {
    case FaultKind.NONE:
      return { text: "the entries and the key both allow it", source: "SDM vol. 3, Access Rights" };
    case FaultKind.PKEY:
      return {
        text: "a key only removes rights; if it denies the access, PK is 1 even if the entries deny it too",
        source: FAULTS,
      };
    case FaultKind.PERMISSION:
      return { text: "the entries deny it, and the key does not: PK 0", source: RIGHTS };
    case FaultKind.RESERVED:
      return { text: "a present entry has a reserved bit set: RSVD 1", source: PAGING };
    case FaultKind.ADDRESS_SIZE:
      return {
        text: "a non-canonical address raises #GP, not #PF",
        source: "SDM vol. 1, Canonical Addressing",
      };
    default:
      return { text: "an entry that is not present ends the walk: P 0", source: PAGING };
  }
}

/** A changed bit of the entries, at the levels where it has the other value. */
function whatIfEntries(setup: AccessSetup, name: string, bit: bigint, on: 0 | 1): WhatIf {
  const where = levelsWith(setup, bit, on === 0);
  return { text: `${name} were ${on} in ${namesOf(setup, where)}`, where, clear: bit, set: on === 1 ? bit : 0n };
}

const CONTROLS = [
  ["CR0", "WP", CR0_WP, 0],
  ["CR4", "SMEP", CR4_SMEP, 0],
  ["CR4", "SMAP", CR4_SMAP, 0],
  ["RFLAGS", "AC", RFLAGS_AC, 1],
  ["EFER", "NXE", EFER_NXE, 1],
] as const;

function whatIfs(kind: FaultKind, setup: AccessSetup): WhatIf[] {
  if (kind === FaultKind.NONE || kind === FaultKind.TRANSLATION) return [];
  const controls = CONTROLS.map(([where, name, bit, on]): WhatIf => {
    const text = `${where}.${name} were ${on}`;
    return { text, where, clear: BigInt(bit), set: on === 1 ? BigInt(bit) : 0n };
  });
  if (kind !== FaultKind.PERMISSION) return controls;
  const entries = [
    whatIfEntries(setup, "R/W", RW, 1),
    whatIfEntries(setup, "U/S", US, 1),
    whatIfEntries(setup, "U/S", US, 0),
    whatIfEntries(setup, "XD", XD, 0),
  ];
  return [...entries, ...controls];
}

/** The texts of the rules of paging. The CPU of the model decides the access. */
export const X86_RULES: Pick<
  ExplainRules,
  "format" | "root" | "entry" | "baseRights" | "keyUse" | "decision" | "whatIfs"
> = {
  format: FORMAT,
  root: ({ format }) => ({
    text: `CR3 translates all addresses, in ${format.geometry.levels.length} levels`,
    source: PAGING,
  }),
  entry,
  baseRights,
  keyUse,
  decision,
  whatIfs,
};
