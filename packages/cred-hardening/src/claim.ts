import { lazily } from "@kpkeys/core";
import { CRED, Creds, KernelMemory, Tasks, toPfn } from "@kpkeys/core/contracts";
import type { DependencyContainer, Pkey, ProtectedObject } from "@kpkeys/core/contracts";

/**
 * The live credentials for the scanner: those that a task's `cred` or `real_cred` points to, each once.
 *
 * @param container - the machine's container
 * @param pkey - the key that their pages must have
 * @returns a function that lists the current ones
 */
export function liveCredentials(container: DependencyContainer, pkey: Pkey): () => Iterable<ProtectedObject> {
  const tasks = lazily(container, Tasks);
  const creds = lazily(container, Creds);
  const memory = lazily(container, KernelMemory);
  return () => {
    const live = new Set(Array.from(tasks().all, ({ cred, realCred }) => [cred, realCred]).flat());
    return Array.from(live, (cred) => ({
      pfn: toPfn(Math.floor(cred / memory().pageBytes)),
      offset: cred % memory().pageBytes,
      size: CRED.size,
      pkey,
      source: cred === creds().init ? "init_cred" : "cred",
    }));
  };
}
