// Processes that run tests. One that does not answer in time is ended, with the threads in it, and another takes its place.
import { fork } from "node:child_process";
import { clearTimeout } from "node:timers";
import { fileURLToPath } from "node:url";

const HOST = fileURLToPath(new URL("host.mjs", import.meta.url));

/** The result of {@link Host.run} when no answer came in time. */
export const TIMEOUT = "timeout";

/** A process that runs tests. */
export class Host {
  #input;
  #process;

  /** @param {string} input - file with what it is made with: the repository, the package, the sources with mutants */
  constructor(input) {
    this.#input = input;
  }

  /** Runs tests. @param request - see host.mjs @param {number} seconds - how long that may take @returns their results, or {@link TIMEOUT} */
  async run(request, seconds) {
    this.#process ??= await this.#start();
    this.#process.send(request);
    const answer = await this.#answer(seconds);
    if (answer === TIMEOUT) this.end();
    else if (answer.failure !== undefined) throw new Error(`the tests could not be run: ${answer.failure}`);
    return answer === TIMEOUT ? answer : answer.result;
  }

  /** Ends the process. */
  end() {
    this.#process?.removeAllListeners();
    this.#process?.kill("SIGKILL");
    this.#process = undefined;
  }

  async #start() {
    this.#process = fork(HOST, [this.#input], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    if ((await this.#answer(120)) === TIMEOUT) throw new Error("the process that runs tests did not start");
    return this.#process;
  }

  #answer(seconds) {
    return new Promise((resolve, reject) => {
      const child = this.#process;
      const timer = setTimeout(() => finish(resolve, TIMEOUT), seconds * 1000);
      const onMessage = (message) => finish(resolve, message);
      const onExit = (code, signal) => {
        this.#process = undefined;
        finish(reject, new Error(`the process that runs tests ended: ${signal ?? code}`));
      };
      function finish(settle, value) {
        clearTimeout(timer);
        child.off("message", onMessage);
        child.off("exit", onExit);
        settle(value);
      }
      child.once("message", onMessage);
      child.once("exit", onExit);
    });
  }
}
