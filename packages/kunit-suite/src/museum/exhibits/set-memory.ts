import { registerText } from "@kpkeys/core";
import { LinearMap, pageOf, PkeyRegister, SetMemory, toPkey } from "@kpkeys/core/contracts";
import { leafOf, linearAddress, probeStore } from "../evidence.js";
import type { Exhibit, Finding, Scene } from "../exhibit.js";
import { tablePkey } from "../pgtables.js";
import { allocPage } from "../setup.js";
import { addressTagKept, pkeyUnchecked } from "../variants.js";

/** Requests the first key that the register does not have, and stores to the page if the call succeeds. */
function requestKeyAboveLast({ machine, step }: Scene): Finding {
  const { keys, name } = machine.get(PkeyRegister);
  const pfn = allocPage(machine);
  const address = linearAddress(machine, pfn);
  const before = leafOf(machine, address);
  step(`set_memory_pkey() of a page with key ${keys}; ${name} has keys 0 to ${keys - 1}`);
  const errno = machine.get(SetMemory).setMemoryPkey(machine.get(LinearMap).pageOf(pfn), 1, toPkey(keys));
  const after = leafOf(machine, address);
  const lines = [
    `set_memory_pkey(page ${pfn}, key ${keys}) = ${errno}`,
    `leaf before ${registerText(before.high, before.low)}, after ${registerText(after.high, after.low)}: pkey ${after.pkey}`,
  ];
  if (errno !== 0) return { seen: false, evidence: lines.join("\n"), facts: { errnos: [errno] } };
  step("a probe store to the page");
  const { seen, evidence, facts } = probeStore(machine, pfn, "probe store");
  return { seen, evidence: [...lines, evidence].join("\n"), facts: { ...facts, errnos: [errno] } };
}

const pkeyBeyondTheLast: Exhibit = {
  id: "pkey-beyond-the-last",
  title: "set_memory_pkey() accepted a key above the last one",
  series: "v2→v3",
  citation: "RFC v3 changelog, patch 6: reject pkey value above arch_max_pkey()",
  story:
    "A key is shifted into its field of the leaf. The upper bits of a key that is too large are lost, or they change the bit next to the field, so the leaf gets another key than the requested one. The first key above the last one becomes the default key. The call succeeds and the page is open.",
  fix: "set_memory_pkey() returns -EINVAL for a key above the last one.",
  detector: "attack",
  red: { variants: [pkeyUnchecked], run: requestKeyAboveLast },
  green: { run: requestKeyAboveLast },
};

/** Bits 63 to 56 of a tagged address: KASAN stores the tag in bits 59 to 56 and sets the bits above. Without a tag they are 0xff. */
const TAG = 0xf4;

function protectTaggedAddress({ machine, step }: Scene): Finding {
  const pfn = allocPage(machine);
  const { high, low } = linearAddress(machine, pfn);
  const tagged = (high & 0x00ff_ffff) | (TAG << 24);
  step(`set_memory_pkey() of a page by its address with a KASAN tag: ${registerText(tagged, low)}`);
  const errno = machine
    .get(SetMemory)
    .setMemoryPkey(pageOf({ high: tagged, low }, machine.memory.pageShift), 1, tablePkey(machine));
  step("a probe store to the page");
  const { seen, evidence, facts } = probeStore(machine, pfn, "probe store");
  return {
    seen,
    evidence: `set_memory_pkey(${registerText(tagged, low)}) = ${errno}\n${evidence}`,
    facts: { ...facts, errnos: [errno] },
  };
}

const addressTag: Exhibit = {
  id: "address-tag",
  title: "an address with a KASAN tag was not found in the linear map",
  series: "v6→v7",
  arches: ["arm64-poe"],
  citation: "v7 changelog, patch 2: remove the KASAN tag before the linear-map check, reported by Yeoreum Yun",
  story:
    "With tag-based KASAN, page_address() returns an address with a tag in bits 63:56, where the sign bits of a linear address are. The linear-map check got the address with its tag and did not find it: the call failed with -EINVAL, and the page kept the default key.",
  fix: "The tag is removed before the check.",
  detector: "attack",
  red: { variants: [addressTagKept], run: protectTaggedAddress },
  green: { run: protectTaggedAddress },
};

/** Bugs of set_memory_pkey(). */
export const SET_MEMORY: readonly Exhibit[] = [pkeyBeyondTheLast, addressTag];
