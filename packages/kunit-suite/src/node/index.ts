/**
 * Packages on the disk, for the rules about imports. Only for Node.js.
 *
 * @module @kpkeys/kunit-suite/node
 */
export { checkModuleFiles, readPackage } from "./read-package.js";
