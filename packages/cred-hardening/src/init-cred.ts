import { lazily } from "@kpkeys/core";
import { Creds, KernelMemory, LinearMap, SetMemory, toPfn } from "@kpkeys/core/contracts";
import type { DependencyContainer, ExtensionPoints, Kpkeys, Pkey } from "@kpkeys/core/contracts";

/**
 * Gives `init_cred` the key too, in the linear map and in the kernel image: the idle tasks live on it, and nothing ever moves it. The
 * series leaves it as it is. Once blocks of the linear map may be split, its page can have a key of its own.
 *
 * @param container - the machine's container
 * @param points - its extension points
 * @param kpkeys - its kpkeys API
 * @param pkey - the key
 * @param warnOn - `WARN_ON`
 */
export function protectInitCred(
  container: DependencyContainer,
  points: ExtensionPoints,
  kpkeys: Kpkeys,
  pkey: Pkey,
  warnOn: (condition: boolean, text: string) => void,
): void {
  const creds = lazily(container, Creds);
  const linearMap = lazily(container, LinearMap);
  const memory = lazily(container, KernelMemory);
  const setMemory = lazily(container, SetMemory);

  points.on("initPhase", (phase) => {
    if (phase !== "system_features" || !kpkeys.supported()) return;
    const pfn = creds().init / memory().pageBytes;
    const linear = setMemory().setMemoryPkey(linearMap().pageOf(toPfn(pfn)), 1, pkey);
    warnOn(linear !== 0, `init_cred cannot get the key CRED in the linear map: ${linear}`);
    const image = setMemory().setImagePkey(toPfn(pfn), 1, pkey);
    warnOn(image !== 0, `init_cred cannot get the key CRED in the image: ${image}`);
  });
}
