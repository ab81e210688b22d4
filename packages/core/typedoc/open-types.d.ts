// For the reference only. With DEFAULT as the only member, the compiler resolves ContextName and PkeyName to "DEFAULT", and typedoc
// prints that literal. With a second member it prints the names.
import "../src/contracts/kpkeys.js";

declare module "../src/contracts/kpkeys.js" {
  interface KpkeysContexts {
    /** @hidden */
    FEATURE: true;
  }
  interface KpkeysPkeys {
    /** @hidden */
    FEATURE: true;
  }
}
