import { Access, Privilege } from "../contracts/index.js";
import type { Cpu, Words } from "../contracts/index.js";

/**
 * Makes an access as the kernel does: by a load, store or exchange if it is a data access of the kernel, so that vectors test these
 * functions too.
 *
 * @param cpu - the CPU
 * @param address - the address accessed; data accesses of the kernel need RAM there
 * @param access - the kind of access
 * @param privilege - its privilege
 * @returns the status of the access
 */
export function carryOut(cpu: Cpu, { high, low }: Words, access: Access, privilege: Privilege): number {
  if (privilege !== Privilege.KERNEL || access === Access.FETCH) return cpu.access(high, low, access, privilege);
  if (access === Access.READ) return cpu.load64(high, low);
  return access === Access.WRITE ? cpu.store64(high, low, 0, 1) : cpu.exchange64(high, low, 0, 1);
}
