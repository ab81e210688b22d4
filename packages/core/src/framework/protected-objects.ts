import type { ProtectedObjects, ProtectionClaim } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

/**
 * Makes the place where a machine's features say what they protect.
 *
 * @returns no claims yet
 */
export function createProtectedObjects(): ProtectedObjects {
  const claims: ProtectionClaim[] = [];
  let frozen = false;
  return {
    claims,
    declare(claim) {
      if (frozen) {
        throw new KpkeysError(
          "ERR_FROZEN",
          `feature '${claim.feature}' claims protection after the machine was frozen`,
          {
            expected: "declare() in the plugin's setup",
          },
        );
      }
      claims.push(claim);
    },
    freeze() {
      frozen = true;
    },
  };
}
