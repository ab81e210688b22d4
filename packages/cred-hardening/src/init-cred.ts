import { lazily } from "@kpkeys/core";
import { Creds, KernelMemory, LinearMap, SetMemory, toPfn } from "@kpkeys/core/contracts";
import type { DependencyContainer, ExtensionPoints, Kpkeys, Pkey } from "@kpkeys/core/contracts";

/**
 * Sets the key on the page of `init_cred` in both of its mappings, the linear map and the kernel image. The idle tasks use it and
 * it never moves; the series does not protect it. The phase is the first in which blocks of the linear map may be split.
 *
 * @param container - the machine's container
 * @param points - its extension points
 * @param kpkeys - its kpkeys API
 * @param pkey - the key
 * @param warn - `WARN_ON`
 */
export function protectInitCred(
  container: DependencyContainer,
  points: ExtensionPoints,
  kpkeys: Kpkeys,
  pkey: Pkey,
  warn: (text: string) => void,
): void {
  const creds = lazily(container, Creds);
  const linearMap = lazily(container, LinearMap);
  const memory = lazily(container, KernelMemory);
  const setMemory = lazily(container, SetMemory);

  points.on("initPhase", (phase) => {
    if (phase !== "system_features" || !kpkeys.supported()) return;
    const pfn = toPfn(creds().init / memory().pageBytes);
    const linear = setMemory().setMemoryPkey(linearMap().pageOf(pfn), 1, pkey);
    if (linear !== 0) warn(`cannot set the key CRED on init_cred in the linear map: errno ${linear}`);
    const image = setMemory().setImagePkey(pfn, 1, pkey);
    if (image !== 0) warn(`cannot set the key CRED on init_cred in the image mapping: errno ${image}`);
  });
}
