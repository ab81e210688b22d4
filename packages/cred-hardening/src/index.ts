/**
 * The feature `kpkeys_hardened_cred` of the credentials series: credentials of tasks protected by a kernel protection key, on every
 * architecture with kernel pkeys.
 *
 * @packageDocumentation
 */
export { credHardening } from "./plugin.js";
export { hardenedCred } from "./suite.js";
export { CredWarnings } from "./warnings.js";
