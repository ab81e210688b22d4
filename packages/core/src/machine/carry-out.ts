import { Access, Privilege } from "../contracts/index.js";
import type { Cpu, Words } from "../contracts/index.js";

/**
 * Makes an access in the way in which the kernel makes it: a load, store or exchange where there is one, so that vectors judge those
 * too.
 *
 * @param cpu - the CPU
 * @param address - the address accessed; data accesses of the kernel need RAM there
 * @param access - what is done
 * @param privilege - on whose behalf
 * @returns the status of the access
 */
export function carryOut(cpu: Cpu, { high, low }: Words, access: Access, privilege: Privilege): number {
  if (privilege !== Privilege.KERNEL || access === Access.FETCH) return cpu.access(high, low, access, privilege);
  if (access === Access.READ) return cpu.load64(high, low);
  return access === Access.WRITE ? cpu.store64(high, low, 0, 1) : cpu.exchange64(high, low, 0, 1);
}
