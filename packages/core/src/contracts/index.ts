/**
 * The contracts: interfaces between core, kernel, architectures and features, each with an injection token of the same name.
 *
 * @module @kpkeys/core/contracts
 */
export type { DependencyContainer } from "tsyringe";
export * from "./access.js";
export * from "./arch-tools.js";
export * from "./cpu.js";
export * from "./errno.js";
export * from "./explain-inputs.js";
export * from "./explain-terms.js";
export * from "./explanation.js";
export * from "./extension-points.js";
export * from "./kernel/creds.js";
export * from "./kernel/execution.js";
export * from "./kernel/memory.js";
export * from "./kernel/page-allocator.js";
export * from "./kernel/page-tables.js";
export * from "./kernel/processes.js";
export * from "./kernel/random.js";
export * from "./kernel/rcu.js";
export * from "./kernel/slab.js";
export * from "./kpkeys.js";
export * from "./kunit.js";
export * from "./numbers.js";
export * from "./observer.js";
export * from "./page-keys.js";
export * from "./page-table-format.js";
export * from "./pgtable-arch.js";
export * from "./physical-memory.js";
export * from "./pkey-register.js";
export * from "./plugin.js";
export * from "./protected-objects.js";
export * from "./setters.js";
export * from "./system-registers.js";
export * from "./table-allocator.js";
export * from "./token.js";
export * from "./user-layout.js";
export * from "./vectors.js";
