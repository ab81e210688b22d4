import { KpkeysError } from "./errors.js";

/** The folder of this package, which tells one copy from another. */
const HERE = new URL("..", import.meta.url).href;

/** Of all copies in the process; every one of them finds it under the same name. */
const shared = globalThis as { kpkeysCoreCopies?: Set<string> };
const copies = (shared.kpkeysCoreCopies ??= new Set()).add(HERE);

/**
 * Refuses to go on in a process that has loaded two copies of this package: each has an error class and states of its own, and
 * neither knows the other's.
 *
 * @throws KpkeysError ERR_CORE_DUPLICATE
 */
export function refuseSecondCopy(): void {
  if (copies.size < 2) return;
  throw new KpkeysError(
    "ERR_CORE_DUPLICATE",
    `${copies.size} copies of @kpkeys/core are loaded: ${[...copies].join(", ")}`,
    {
      expected: "one: `npm ls @kpkeys/core` tells who brings the others, `npm dedupe` removes them",
    },
  );
}
