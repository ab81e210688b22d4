import { lazily } from "@kpkeys/core";
import { ArchTools, BootParameters, FaultKind, KeyRegisters } from "@kpkeys/core/contracts";
import type { DependencyContainer, ExtensionPoints } from "@kpkeys/core/contracts";
import type { Hardening } from "./hardening.js";

/**
 * The soft mode of Edgecombe's "PKS write protected page tables" (RFC v2, 2021), by the kernel parameter `kpkeys=soft`: the first
 * access of the kernel that the key PGTABLES denies is warned of, then the key is opened in every register and the access made
 * again. From then on nothing is protected, though the static key stays on. Where a context is left that was entered before, the
 * key is closed once more; the next access it denies opens it again without a word.
 *
 * @param container - the machine's container
 * @param points - its extension points
 * @param hardening - key and warnings
 */
export function forgiveInSoftMode(container: DependencyContainer, points: ExtensionPoints, hardening: Hardening): void {
  const boot = lazily(container, BootParameters);
  const tools = lazily(container, ArchTools);
  const registers = lazily(container, KeyRegisters);
  let isWarned = false;

  points.on("kernelFault", (fault) => {
    if (boot().kpkeys !== "soft" || fault.kind !== FaultKind.PKEY || fault.pkey !== hardening.pkey) return false;
    const text = `${tools().describeFault(fault)}: kpkeys=soft, page tables are not protected any more`;
    hardening.warnOn(!isWarned, text);
    isWarned = true;
    registers().grantEverywhere(hardening.pkey, "rw");
    return true;
  });
}
