import { registerText, resolve } from "@kpkeys/core";
import { ArchTools, Observers, PkeyRegister } from "@kpkeys/core/contracts";
import type { Plugin } from "@kpkeys/core/contracts";
import { variant } from "./variants.js";

/** Events that the trace prints below a step. Further events are counted. */
const MOST_EVENTS = 6;

/** A line of a register write without its barrier. */
const WRITE = /^ {2}CPU \d+: \S+ = 0x[0-9a-f]+$/;

/** Records the trace of one machine: the steps of a scenario, and the events of the key register in each. */
export class Recorder {
  /** The feature that observes the machine. */
  readonly plugin: Plugin = variant("museum-recorder", "records the events of a scenario", (container) => {
    const { name, fetchName = name } = resolve(container, PkeyRegister);
    const tools = resolve(container, ArchTools);
    resolve(container, Observers).attach({
      registerWrite: (cpu, high, low, ofFetches) => {
        this.note(() => `CPU ${cpu}: ${ofFetches ? fetchName : name} = ${registerText(high, low)}`);
      },
      barrier: (cpu) => {
        this.noteBarrier(cpu);
      },
      fault: (cpu, report) => {
        this.note(() => `CPU ${cpu}: ${tools.describeFault(report)}`);
      },
    });
  });
  private readonly lines: string[] = [];
  /** Events of the current step. */
  private events = 0;

  /**
   * Begins a step. Nothing is recorded before the first one, so that boot is not part of the trace.
   * @param text - one line
   */
  step(text: string): void {
    this.closeStep();
    this.lines.push(text);
  }

  /**
   * Ends the last step.
   * @returns the steps; the events of a step follow it, indented by two blanks
   */
  end(): readonly string[] {
    this.closeStep();
    return this.lines;
  }

  private note(text: () => string): void {
    if (this.lines.length > 0 && ++this.events <= MOST_EVENTS) this.lines.push(`  ${text()}`);
  }

  /** Appends a barrier to the line of the write that it synchronises, if that is the last line. */
  private noteBarrier(cpu: number): void {
    const last = this.lines.at(-1);
    if (this.events > MOST_EVENTS || last === undefined || !WRITE.test(last)) this.note(() => `CPU ${cpu}: barrier`);
    else this.lines[this.lines.length - 1] = `${last}, barrier`;
  }

  private closeStep(): void {
    if (this.events > MOST_EVENTS) this.lines.push(`  … and ${this.events - MOST_EVENTS} more`);
    this.events = 0;
  }
}
