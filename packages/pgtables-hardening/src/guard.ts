import { resolve } from "@kpkeys/core";
import { LazyMmu, NOT_ENTERED, SETTERS } from "@kpkeys/core/contracts";
import type {
  DependencyContainer,
  ExtensionPoints,
  Guard,
  Kpkeys,
  KpkeysState,
  StaticKey,
} from "@kpkeys/core/contracts";
import type { PgtablesOptions } from "./options.js";
import { OpenSection } from "./placement.js";

/** The condition of the inner guard. The guards below check theirs in methods: docs/performance.md, "Classes". */
const always = (): boolean => true;

/** The guard `kpkeys_hardened_pgtables`: enters the context PGTABLES while the static key is on. */
export class HardenedGuard implements Guard {
  private readonly context: Guard;

  /**
   * @param kpkeys - the machine's kpkeys API
   * @param key - the static key
   */
  constructor(
    kpkeys: Kpkeys,
    private readonly key: StaticKey,
  ) {
    this.context = kpkeys.guardCond("PGTABLES", always);
  }

  enter(): KpkeysState {
    return this.key.enabled ? this.context.enter() : NOT_ENTERED;
  }

  exit(state: KpkeysState): void {
    this.context.exit(state);
  }
}

/**
 * The guard of the setters (patch "arm64: kpkeys: Guard page table writes"). It does nothing inside a section that has entered the
 * context already: a lazy MMU section with batching, or an {@link OpenSection}.
 */
class SetterGuard implements Guard {
  private readonly batching: boolean;
  private readonly batchingInInterrupt: boolean;
  /** Resolved on first use: the kernel is built after the features. */
  private lazyMmu: LazyMmu | undefined;

  constructor(
    private readonly container: DependencyContainer,
    private readonly guard: HardenedGuard,
    private readonly section: OpenSection | undefined,
    { batching, batchingInInterrupt }: Required<PgtablesOptions>,
  ) {
    this.batching = batching;
    this.batchingInInterrupt = batchingInInterrupt;
  }

  enter(): KpkeysState {
    return this.isOpen() ? NOT_ENTERED : this.guard.enter();
  }

  exit(state: KpkeysState): void {
    this.guard.exit(state);
  }

  /**
   * is_lazy_mmu_mode_active() is false in interrupt and while the mode is paused, so each setter enters the context there. v4 asked
   * the thread flag, which an interrupt does not clear.
   */
  private isOpen(): boolean {
    if (this.section?.isOpen() === true) return true;
    if (!this.batching) return false;
    const lazyMmu = (this.lazyMmu ??= resolve(this.container, LazyMmu));
    return this.batchingInInterrupt ? lazyMmu.isEnabled() : lazyMmu.isActive();
  }
}

/**
 * Guards every setter.
 *
 * @param container - the machine's container
 * @param points - its extension points
 * @param hardened - enters the context while the hardening is on
 * @param options - batching, placement, and the setters left without a guard
 */
export function guardSetters(
  container: DependencyContainer,
  points: ExtensionPoints,
  hardened: HardenedGuard,
  options: Required<PgtablesOptions>,
): void {
  const { placement } = options;
  const section =
    placement === "table-lock" || placement === "operation"
      ? new OpenSection(container, points, hardened, placement)
      : undefined;
  const guard = new SetterGuard(container, hardened, section, options);
  for (const setter of SETTERS) {
    if (!options.unguarded.includes(setter)) points.setGuard(setter, guard);
  }
}
