/**
 * Reads packages on the disk for the rules about imports. Requires Node.js.
 *
 * @module @kpkeys/kunit-suite/node
 */
export { checkModuleFiles, readPackage } from "./read-package.js";
