import type { ProtectedObjects, ProtectionClaim } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

/** The declarations of one machine's features: what they protect. */
export class ProtectedObjectList implements ProtectedObjects {
  readonly claims: ProtectionClaim[] = [];
  private frozen = false;

  declare(claim: ProtectionClaim): void {
    if (this.frozen) {
      throw new KpkeysError(
        "ERR_FROZEN",
        `cannot declare objects of feature '${claim.feature}': the machine is frozen`,
        {
          expected: "declare() in the plugin's setup()",
        },
      );
    }
    this.claims.push(claim);
  }

  freeze(): void {
    this.frozen = true;
  }
}
