/**
 * Credentials of tasks protected by a kernel protection key, `kpkeys_hardened_cred` of the credentials series: a feature for machines of
 * any architecture with kernel pkeys.
 *
 * @packageDocumentation
 */
export { credHardening } from "./plugin.js";
export { hardenedCred } from "./suite.js";
export { CredWarnings } from "./warnings.js";
