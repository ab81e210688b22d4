import { createContainer, registerFramework, resolve } from "@kpkeys/core";
import { ArchTools, Kpkeys, ProtectedObjects } from "@kpkeys/core/contracts";
import type { ExplainKernel } from "@kpkeys/core/contracts";
import { ARCHES, loadPlugins } from "../plugins.js";
import type { ArchId, FeatureId } from "../plugins.js";

/** What explains the accesses of an architecture. */
export interface Explainer {
  /** The architecture's id. */
  readonly id: ArchId;
  /** Its tools. */
  readonly tools: ArchTools;
  /** The keys and contexts that the kernel's features have there. */
  readonly kernel: ExplainKernel;
}

/**
 * Makes the explainers of a kernel.
 * @param features - what it has
 * @returns one for each architecture, in the order of their table
 */
export async function loadExplainers(features: readonly FeatureId[]): Promise<Explainer[]> {
  return Promise.all((Object.keys(ARCHES) as ArchId[]).map((id) => loadExplainer(id, features)));
}

async function loadExplainer(id: ArchId, features: readonly FeatureId[]): Promise<Explainer> {
  const container = createContainer();
  registerFramework(container);
  (await loadPlugins(id, features)).setUp(container, id, features);
  const kpkeys = resolve(container, Kpkeys);
  kpkeys.freeze();
  return {
    id,
    tools: resolve(container, ArchTools),
    kernel: { kpkeys, objects: resolve(container, ProtectedObjects) },
  };
}
