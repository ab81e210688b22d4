import { KpkeysError } from "@kpkeys/core";
import { INIT_PHASES } from "@kpkeys/core/contracts";
import type { InitPhase } from "@kpkeys/core/contracts";

/** The progress of boot. Checks that the phases in which the hardening is initialised begin once, and in order. */
export class InitOrder {
  private phase: InitPhase | undefined;

  /** @param stages - the phases in which the hardening is initialised, in order */
  constructor(private readonly stages: readonly InitPhase[]) {}

  /**
   * Whether a phase has begun.
   * @param wanted - the phase
   */
  reached(wanted: InitPhase): boolean {
    return this.phase === wanted || (this.phase !== undefined && isAfter(wanted, this.phase));
  }

  /**
   * Records that a phase begins.
   * @param next - the phase
   * @throws KpkeysError ERR_INIT_ORDER if a stage begins again, or was left out
   */
  begin(next: InitPhase): void {
    for (const stage of this.stages) {
      if (next === stage && this.reached(stage))
        throw outOfOrder(`cannot begin ${next}: it has begun before`, `begin ${next} once`);
      if (isAfter(stage, next) && !this.reached(stage))
        throw outOfOrder(`cannot begin ${next}: ${stage} has not begun`, `begin ${stage} before ${next}`);
    }
    this.phase = next;
  }
}

/** Whether a phase of boot comes after another. */
function isAfter(reference: InitPhase, phase: InitPhase): boolean {
  return INIT_PHASES.indexOf(phase) > INIT_PHASES.indexOf(reference);
}

/**
 * An initialisation step at the wrong time.
 * @param what - the step and the reason
 * @param advice - the right order
 */
export function outOfOrder(what: string, advice: string): KpkeysError {
  return new KpkeysError("ERR_INIT_ORDER", what, { where: "plugin 'pgtables'", advice });
}
