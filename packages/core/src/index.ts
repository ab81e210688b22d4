/**
 * The framework: containers, the plugin registry, the kpkeys API, static keys, extension points, and the errors of all packages. The
 * interfaces are in the entry `contracts`, the CPU model in the entry `machine`.
 *
 * @module @kpkeys/core
 */
export * from "./errors.js";
export { fileReason, inputFailure, outputFailure } from "./file-errors.js";
export { registerArch } from "./framework/arch.js";
export type { ArchServices, CpuPlace } from "./framework/arch.js";
export { readConfig, resolveConfig } from "./framework/config.js";
export type { ConfigLine, ConfigLines, ConfigSource } from "./framework/config.js";
export * from "./di.js";
export { ExtensionPointTable } from "./framework/extension-points.js";
export { registerFramework } from "./framework/framework.js";
export { checkKeyBudget, keyBudget, sharingText } from "./framework/key-budget.js";
export type { ContextRow, Exposure, KeyBudget, KeyDemand, SharedKeys } from "./framework/key-budget.js";
export { ContextSwitch } from "./framework/context-switch.js";
export { KpkeysApi } from "./framework/kpkeys.js";
export { once } from "./once.js";
export { overriding } from "./framework/overriding.js";
export { createPluginRegistry } from "./framework/plugin-host.js";
export type { MachinePlugins, PluginRegistry } from "./framework/plugin-host.js";
export { checkPluginForm, pluginsOf } from "./framework/plugin-form.js";
export { PluginInSetUp } from "./framework/plugin-in-set-up.js";
export { ProtectedObjectList } from "./framework/protected-objects.js";
export { StaticKeyTable } from "./framework/static-keys.js";
export { createLineBlocks, LONGEST_LINE } from "./lines.js";
export type { InputText, LineBlocks } from "./lines.js";
export { printable, quote } from "./printable.js";
export { HASH_PROSPECTOR, MULBERRY32, MURMUR3, Random } from "./random.js";
export type { Generator } from "./random.js";
export * from "./pkey-value.js";
export * from "./words.js";
