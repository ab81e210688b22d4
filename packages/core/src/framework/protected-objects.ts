import type { ProtectedObjects, ProtectionClaim } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

/** The protected objects that the features of one machine declare. */
export class ProtectedObjectList implements ProtectedObjects {
  readonly claims: ProtectionClaim[] = [];
  private frozen = false;

  declare(claim: ProtectionClaim): void {
    if (this.frozen) {
      throw new KpkeysError(
        "ERR_FROZEN",
        `cannot declare objects of feature '${claim.feature}': the machine is frozen`,
        {
          advice: "call declare() in the plugin's setup()",
        },
      );
    }
    this.claims.push(claim);
  }

  freeze(): void {
    this.frozen = true;
  }
}
