import { injectable } from "../di.js";

/**
 * The plugin of a machine whose `setup` runs. The plugin host sets it, and `Kpkeys` records it as the owner of each key and context.
 * A separate service, because the host runs before `Kpkeys` can be resolved: the architecture's `setup` registers what it needs.
 */
@injectable()
export class PluginInSetUp {
  /** The plugin's id; `undefined` outside of a `setup`. */
  id: string | undefined = undefined;
}
