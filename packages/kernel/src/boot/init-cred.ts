import { CRED } from "@kpkeys/core/contracts";
import type { Pfn, PhysicalMemory } from "@kpkeys/core/contracts";

/** `CAP_FULL_SET`: bits 0 to 40, the last being CAP_CHECKPOINT_RESTORE. */
const CAP_FULL_SET = { high: 0x1ff, low: -1 };

/** Initial reference count. It is never dropped, so init_cred is never freed. The boot CPU's idle task adds 2 for Linux's total of 4. */
const INITIAL_USAGE = 2;

/**
 * Writes `init_cred` into the kernel image, as the linker does: root with all capabilities. Idle tasks add their references.
 * @param memory - RAM
 * @param pfn - page-frame number of its page; it starts at offset 0
 */
export function placeInitCred(memory: PhysicalMemory, pfn: Pfn): void {
  memory.write(pfn, CRED.usage / 8, { high: 0, low: INITIAL_USAGE });
  for (const field of [CRED.capPermitted, CRED.capEffective, CRED.capBset]) memory.write(pfn, field / 8, CAP_FULL_SET);
}
