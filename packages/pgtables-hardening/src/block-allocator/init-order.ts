import type { InitPhase } from "@kpkeys/core/contracts";
import { isAfter, outOfOrder } from "../init.js";

/** The phase in which the linear map may be split: all CPUs are up, and what a split needs is known of all (setup_system_features()). */
export const LATE: InitPhase = "system_features";

/** The phases in which the allocator is initialised: each once, and none left out. */
const STAGES: readonly InitPhase[] = ["mem_init", LATE];

/** How far the kernel has booted. */
export class InitOrder {
  private phase: InitPhase | undefined;

  /**
   * Whether a phase has begun.
   * @param wanted - the phase
   */
  reached(wanted: InitPhase): boolean {
    return this.phase === wanted || (this.phase !== undefined && isAfter(wanted, this.phase));
  }

  /**
   * Notes that a phase begins.
   * @param next - the phase
   * @throws KpkeysError ERR_INIT_ORDER when one of the allocator's two phases begins again, or was left out
   */
  begin(next: InitPhase): void {
    for (const stage of STAGES) {
      if (next === stage && this.reached(stage)) throw outOfOrder(`${next} begins a second time`, `one ${next}`);
      if (isAfter(stage, next) && !this.reached(stage))
        throw outOfOrder(`${next} begins before ${stage}`, `${stage} first`);
    }
    this.phase = next;
  }
}
