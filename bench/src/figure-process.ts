import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Figure, Measurement } from "./figure.js";
import type { ArchId } from "./machine.js";

const CHILD = fileURLToPath(new URL("child.js", import.meta.url));

/** A figure in a separate process: one process for all measurements, or a new one for each. */
export class FigureProcess {
  #child: ChildProcess | undefined;

  /**
   * @param figure - the figure to measure
   * @param arch - the architecture of its machine
   */
  constructor(
    readonly figure: Figure,
    readonly arch: ArchId,
  ) {}

  /** Starts the process and waits until it is ready. */
  async start(): Promise<void> {
    // The output of a child is diagnostic: stdout is for the result.
    this.#child = fork(CHILD, [this.figure.name, this.arch], { stdio: ["ignore", 2, 2, "ipc"] });
    await this.#message(this.#child);
  }

  /** Measures once. */
  async measure(): Promise<Measurement> {
    if (this.#child === undefined) await this.start();
    const child = this.#child!;
    child.send("measure");
    const measurement = (await this.#message(child)) as Measurement;
    if (this.figure.fresh) this.stop();
    return measurement;
  }

  /** Ends the process. */
  stop(): void {
    this.#child?.kill();
    this.#child = undefined;
  }

  async #message(child: ChildProcess): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => {
        reject(new Error(`the process of ${this.figure.name} ended with status ${String(code)}`));
      };
      child.once("exit", onExit);
      child.once("message", (message) => {
        child.off("exit", onExit);
        resolve(message);
      });
    });
  }
}
