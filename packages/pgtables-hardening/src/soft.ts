import { lazily } from "@kpkeys/core";
import { ArchTools, BootParameters, FaultKind, KeyRegisters } from "@kpkeys/core/contracts";
import type { DependencyContainer, ExtensionPoints } from "@kpkeys/core/contracts";
import type { Hardening } from "./hardening.js";

/**
 * Installs the soft mode of Edgecombe's "PKS write protected page tables" (RFC v2, 2021), selected by the kernel parameter
 * `kpkeys=soft`. The first kernel access that the key PGTABLES denies is a warning; the key is made writable in every register and
 * the access is repeated. From then on page tables are not protected, though the static key stays on. Leaving a context that was
 * entered before makes the key read-only again on that CPU; the next access that it denies makes it writable without a warning.
 *
 * @param container - the machine's container
 * @param points - its extension points
 * @param hardening - the key
 */
export function installSoftMode(container: DependencyContainer, points: ExtensionPoints, hardening: Hardening): void {
  const boot = lazily(container, BootParameters);
  const tools = lazily(container, ArchTools);
  const registers = lazily(container, KeyRegisters);
  let isWarned = false;

  points.on("kernelFault", (fault) => {
    if (boot().kpkeys !== "soft" || fault.kind !== FaultKind.PKEY || fault.pkey !== hardening.pkey) return false;
    if (!isWarned) {
      const text = tools().describeFault(fault);
      hardening.warn(`${text}: page tables are no longer protected (kpkeys=soft)`);
    }
    isWarned = true;
    registers().grantEverywhere(hardening.pkey, "rw");
    return true;
  });
}
