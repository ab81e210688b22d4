/**
 * Packages on the disk, for the rules about imports. Only for Node.js.
 *
 * @packageDocumentation
 */
export { checkModuleFiles, readPackage } from "./read-package.js";
