import { takePage } from "../setup.js";
import { registerText } from "@kpkeys/core";
import { LinearMap, pageOf, PkeyRegister, SetMemory, toPkey } from "@kpkeys/core/contracts";
import { leafOf, linearAddress, strayStore } from "../evidence.js";
import type { Exhibit, Finding, Scene } from "../exhibit.js";
import { tablePkey } from "../pgtables.js";
import { addressTagKept, pkeyUnchecked } from "../variants.js";

/** A caller asks for the first key that there is not, and believes what it is told. */
function askForKeyBeyond({ machine, step }: Scene): Finding {
  const { keys, name } = machine.get(PkeyRegister);
  const pfn = takePage(machine);
  const address = linearAddress(machine, pfn);
  const before = leafOf(machine, address);
  step(`set_memory_pkey() of a page with key ${keys}; ${name} has keys 0 to ${keys - 1}`);
  const errno = machine.get(SetMemory).setMemoryPkey(machine.get(LinearMap).pageOf(pfn), 1, toPkey(keys));
  const after = leafOf(machine, address);
  const told = [
    `set_memory_pkey(page ${pfn}, key ${keys}) = ${errno}`,
    `leaf before ${registerText(before.high, before.low)}, after ${registerText(after.high, after.low)}: pkey ${after.pkey}`,
  ];
  if (errno !== 0) return { seen: false, evidence: told.join("\n") };
  step("a stray store to the page that its owner takes for protected");
  const store = strayStore(machine, pfn, "stray store");
  return { ...store, evidence: [...told, store.evidence].join("\n") };
}

const pkeyBeyondTheLast: Exhibit = {
  id: "pkey-beyond-the-last",
  title: "a key beyond the last one was taken",
  series: "v2→v3",
  citation: "RFC v3 changelog, patch 6: reject pkey value above arch_max_pkey()",
  story:
    "A key is shifted into its field of the leaf. One that is too large loses its upper bits there, or puts them into the bit next to the field: the leaf names another key than asked for, the default one when the first key too many is meant. The call succeeds and the page is open.",
  fix: "set_memory_pkey() returns -EINVAL for a key beyond the last.",
  detector: "attack",
  red: { variants: [pkeyUnchecked], run: askForKeyBeyond },
  green: { run: askForKeyBeyond },
};

/** Any tag but the one that is no tag: KASAN gives each allocation one in bits 59 to 56, and sets the bits above. */
const TAG = 0xf4;

function protectTaggedAddress({ machine, step }: Scene): Finding {
  const pfn = takePage(machine);
  const { high, low } = linearAddress(machine, pfn);
  const tagged = (high & 0x00ff_ffff) | (TAG << 24);
  step(`set_memory_pkey() of a page by the address that KASAN has tagged: ${registerText(tagged, low)}`);
  const errno = machine
    .get(SetMemory)
    .setMemoryPkey(pageOf({ high: tagged, low }, machine.memory.pageShift), 1, tablePkey(machine));
  step("a stray store to the page");
  const store = strayStore(machine, pfn, "stray store");
  return { ...store, evidence: `set_memory_pkey(${registerText(tagged, low)}) = ${errno}\n${store.evidence}` };
}

const addressTag: Exhibit = {
  id: "address-tag",
  title: "an address with a KASAN tag was not found in the linear map",
  series: "v6→v7",
  arches: ["arm64-poe"],
  citation: "v7 changelog, patch 2: remove the KASAN tag before the linear-map check, reported by Yeoreum Yun",
  story:
    "With tag-based KASAN, page_address() has a tag in bits 63:56 where a linear address has its sign. Whether the address lies in the linear map was asked with the tag on it: the answer was no, the call failed with -EINVAL, and the page kept the default key.",
  fix: "The tag is removed before the address is looked up.",
  detector: "attack",
  red: { variants: [addressTagKept], run: protectTaggedAddress },
  green: { run: protectTaggedAddress },
};

/** What set_memory_pkey() takes. */
export const SET_MEMORY: readonly Exhibit[] = [pkeyBeyondTheLast, addressTag];
