import { registerText, resolve } from "@kpkeys/core";
import { ArchTools, Observers, PkeyRegister } from "@kpkeys/core/contracts";
import type { Plugin } from "@kpkeys/core/contracts";
import { variant } from "./variants.js";

/** Moments that the trace shows below a step before it only counts. */
const MOMENTS = 6;

/** A line that tells of a write of the register, and of no barrier yet. */
const WRITE = /^ {2}CPU \d+: \S+ = 0x[0-9a-f]+$/;

/** Writes a trace of one machine: the steps of a scenario, and what each did to the key register. */
export interface Recorder {
  /** To be among the machine's features. */
  readonly plugin: Plugin;
  /** The next step. @param text - one line */
  readonly step: (text: string) => void;
  /** Ends the last step. @returns steps, and below each what happened, two blanks further in */
  readonly end: () => readonly string[];
}

/** Makes one, for one machine. Nothing is written before the first step: boot is no part of a scenario. */
export function createRecorder(): Recorder {
  const lines: string[] = [];
  /** Moments of the step so far. */
  let moments = 0;

  function note(text: () => string): void {
    if (lines.length > 0 && ++moments <= MOMENTS) lines.push(`  ${text()}`);
  }

  /** Stands behind the write that it synchronises, if one came just before. */
  function noteBarrier(cpu: number): void {
    const last = lines.at(-1);
    if (moments > MOMENTS || last === undefined || !WRITE.test(last)) note(() => `CPU ${cpu}: barrier`);
    else lines[lines.length - 1] = `${last}, barrier`;
  }

  function closeStep(): void {
    if (moments > MOMENTS) lines.push(`  … and ${moments - MOMENTS} more`);
    moments = 0;
  }

  const plugin = variant("museum-recorder", "writes down what a scenario does", (container) => {
    const { name } = resolve(container, PkeyRegister);
    const tools = resolve(container, ArchTools);
    resolve(container, Observers).attach({
      registerWrite(cpu, high, low) {
        note(() => `CPU ${cpu}: ${name} = ${registerText(high, low)}`);
      },
      barrier: noteBarrier,
      fault(cpu, report) {
        note(() => `CPU ${cpu}: ${tools.describeFault(report)}`);
      },
    });
  });

  return {
    plugin,
    step(text) {
      closeStep();
      lines.push(text);
    },
    end() {
      closeStep();
      return lines;
    },
  };
}
