import { fork, spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { ArchId } from "../plugins.js";
import type { ChildMessage } from "./child.js";
import { tied } from "./children.js";
import type { Figure } from "./figure.js";
import type { InstructionCounter } from "./instructions.js";

const CHILD = fileURLToPath(new URL("child.js", import.meta.url));
const COMMAND = fileURLToPath(new URL("../../bin/kpkeys.js", import.meta.url));

/** Runs behind which the compiler has nothing more to do, and further ones that are counted. */
const COMPILED = 4;
const COUNTED = 4;

/** Something that can be measured once and again. */
export interface Subject {
  /** The figure's name. */
  readonly name: string;
  /** One operation, in words. */
  readonly operation: string;
  /** The architecture; `null` where it makes no difference. */
  readonly arch: ArchId | null;
  /** Whether the C reference has the figure. */
  readonly inReference: boolean;
  /** The name of the figure that it is held against. */
  readonly baseline?: string;
  /** Gets ready. */
  start(): Promise<void>;
  /** Measures. @returns nanoseconds an operation */
  measure(): Promise<number>;
  /** Counts, in processes of its own. @param counter - what counts @returns instructions of one run */
  instructions(counter: InstructionCounter): Promise<number>;
  /** Ends it. */
  stop(): void;
}

/**
 * A figure in a process of its own: one that stays, or a fresh one for each run.
 * @param figure - what is measured
 * @param arch - on which architecture
 * @param trace - the recording that is replayed
 */
export function figureSubject(figure: Figure, arch: ArchId, trace: string): Subject {
  let child: ReturnType<typeof fork> | undefined;

  async function next(from: ReturnType<typeof fork>): Promise<ChildMessage> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null): void => {
        reject(new Error(`the process of ${figure.name} ended with ${String(code)}`));
      };
      from.once("exit", onExit);
      from.once("message", (message) => {
        from.off("exit", onExit);
        resolve(message as ChildMessage);
      });
    });
  }

  async function start(): Promise<void> {
    child = tied(fork(CHILD, [figure.name, arch, trace]));
    await next(child);
  }

  function stop(): void {
    child?.kill();
    child = undefined;
  }

  return {
    name: figure.name,
    operation: figure.operation,
    arch: figure.perArch ? arch : null,
    inReference: figure.inReference,
    ...(figure.baseline !== undefined && { baseline: figure.baseline }),
    start: () => (figure.fresh ? Promise.resolve() : start()),
    async measure() {
      if (figure.fresh) await start();
      child!.send("run");
      const { nsPerOperation } = await next(child!);
      if (figure.fresh) stop();
      return nsPerOperation!;
    },
    async instructions(counter) {
      const ofRuns = (runs: number): Promise<number> => counter.count([CHILD, figure.name, arch, trace, String(runs)]);
      if (figure.fresh) return ofRuns(1);
      return ((await ofRuns(COMPILED + COUNTED)) - (await ofRuns(COMPILED))) / COUNTED;
    },
    stop,
  };
}

/** Whole processes: an empty one, and the command from its start to its end. */
export const COMMAND_SUBJECTS: readonly Subject[] = [
  commandSubject("start-up-node", "an empty node process", ["-e", ""]),
  commandSubject("start-up-help", "kpkeys --help", [COMMAND, "--help"], "start-up-node"),
  commandSubject(
    "start-up-kunit",
    "kpkeys kunit on one architecture",
    [COMMAND, "kunit", "--arch", "arm64-poe"],
    "start-up-node",
  ),
];

function commandSubject(name: string, operation: string, argv: readonly string[], baseline?: string): Subject {
  return {
    name,
    operation,
    arch: null,
    inReference: false,
    ...(baseline !== undefined && { baseline }),
    start: () => Promise.resolve(),
    measure: () =>
      new Promise((resolve, reject) => {
        const start = process.hrtime.bigint();
        tied(spawn(process.execPath, argv, { stdio: "ignore" }))
          .once("error", reject)
          .once("exit", () => {
            resolve(Number(process.hrtime.bigint() - start));
          });
      }),
    instructions: (counter) => counter.count(argv),
    stop: () => undefined,
  };
}
