import { createContainer, createPluginRegistry, registerFramework, resolve } from "@kpkeys/core";
import { ArchTools, Kpkeys, ProtectedObjects } from "@kpkeys/core/contracts";
import type { Plugin } from "@kpkeys/core/contracts";
import type { ExplainKernel, Explanation, ExplainQuestion } from "./explanation.js";
import { explain } from "./explain.js";

/** Explains accesses on an architecture, for a kernel with some features. */
export class Explainer {
  /** The architecture's id. */
  readonly id: string;
  /** Its tools. */
  readonly tools: ArchTools;
  /** Keys and contexts of the kernel's features. */
  readonly kernel: ExplainKernel;

  /**
   * @param arch - the architecture
   * @param features - the kernel's features
   * @throws KpkeysError the errors of plugin registration
   */
  constructor(arch: Plugin, features: readonly Plugin[]) {
    const container = createContainer();
    registerFramework(container);
    createPluginRegistry([arch, ...features]).setUp(
      container,
      arch.id,
      features.map(({ id }) => id),
    );
    const kpkeys = resolve(container, Kpkeys);
    kpkeys.freeze();
    this.id = arch.id;
    this.tools = resolve(container, ArchTools);
    this.kernel = { kpkeys, objects: resolve(container, ProtectedObjects) };
  }

  /**
   * Explains an access: {@link explain}.
   * @param question - the report or the vector
   * @throws KpkeysError ERR_EXPLAIN_INPUT, ERR_VECTOR_LINE, ERR_EXPLAIN_LIMIT
   */
  explain(question: ExplainQuestion): Explanation {
    return explain(question, this.tools, this.kernel);
  }
}
