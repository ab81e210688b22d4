import { KpkeysError } from "./errors.js";

/** The folder of this package: a different one for each copy. */
const HERE = new URL("..", import.meta.url).href;

/** The folders of all copies in the process, under a name that is the same in every copy. */
const shared = globalThis as { kpkeysCoreCopies?: Set<string> };
const copies = (shared.kpkeysCoreCopies ??= new Set()).add(HERE);

/**
 * Checks that the process has loaded one copy of this package. Two copies have separate error classes and states, so an object of
 * one copy is unknown to the other.
 *
 * @throws KpkeysError ERR_CORE_DUPLICATE
 */
export function checkSingleCopy(): void {
  if (copies.size < 2) return;
  throw new KpkeysError(
    "ERR_CORE_DUPLICATE",
    `${copies.size} copies of @kpkeys/core are loaded: ${[...copies].join(", ")}`,
    {
      expected:
        "one: `npm ls @kpkeys/core` lists the packages that depend on each copy, `npm dedupe` removes the others",
    },
  );
}
