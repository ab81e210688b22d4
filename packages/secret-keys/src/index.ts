/**
 * The feature `secrets`: the pointer-authentication keys of threads on pages that the kernel cannot read by default, on every
 * architecture with kernel pkeys.
 *
 * @packageDocumentation
 */
export { ThreadSecrets } from "./contract.js";
export { ALL_KEYS, PacKey, SECRETS } from "./layout.js";
export { secretKeys } from "./plugin.js";
export { secretKeysSuite } from "./suite.js";
