import { CRED } from "@kpkeys/core/contracts";
import type { PhysicalMemory } from "@kpkeys/core/contracts";

/** `CAP_FULL_SET`: bits 0 to 40, the last being CAP_CHECKPOINT_RESTORE. */
const CAP_FULL_SET = { high: 0x1ff, low: -1 };

/**
 * Writes `init_cred` into the kernel image, as the linker does: root with all capabilities. References come with the idle tasks.
 * @param memory - RAM
 * @param address - its physical address
 */
export function placeInitCred(memory: PhysicalMemory, address: number): void {
  const word = (offset: number): number => ((address & 4095) + offset) / 8;
  for (const field of [CRED.capPermitted, CRED.capEffective, CRED.capBset]) {
    memory.write(Math.floor(address / 4096), word(field), CAP_FULL_SET.high, CAP_FULL_SET.low);
  }
}
