import { CommanderError } from "./commander.js";

/** The exit statuses of the command. */
export const EXIT = {
  /** All is well. */
  GOOD: 0,
  /** What was checked failed. */
  FAILED: 1,
  /** Bad usage, or an input that cannot be read. */
  USAGE: 2,
  /** Interrupted, the report so far printed: 128 and the number of SIGINT, as shells have it. */
  INTERRUPTED: 130,
  /** A bug of the command itself: EX_SOFTWARE of sysexits.h. */
  BUG: 70,
} as const;

/**
 * Tells the user what went wrong, in one line on stderr: `kpkeys: CODE: where: what; expected what`. Something that the laboratory
 * did not throw on purpose is a bug; its stack is printed if `KPKEYS_DEBUG` is set.
 *
 * @param error - what was thrown
 * @returns the exit status
 */
export function tellError(error: unknown): number {
  if (error instanceof CommanderError) {
    // --help and --version come this way too, and so does the help that stands in for a missing command.
    if (error.code.startsWith("commander.help") || error.code === "commander.version")
      return error.exitCode === 0 ? EXIT.GOOD : EXIT.USAGE;
    // What was expected of an argument stands in its message; of all else, in the help.
    const expected = error.code === "commander.invalidArgument" ? "" : "; kpkeys --help tells what there is";
    tell("ERR_USAGE", readable(error.message.replace(/^error: /, "")) + expected);
    return EXIT.USAGE;
  }
  // Told by its name: the class is lost on the way out of a worker, and loading it would load the container.
  if (error instanceof Error && error.name === "KpkeysError" && "code" in error) {
    tell(String(error.code), readable(error.message));
    return EXIT.USAGE;
  }
  const what = error instanceof Error ? error : new Error(String(error));
  const debugging = (process.env["KPKEYS_DEBUG"] ?? "") !== "";
  tell("bug", `${readable(what.message)}${debugging ? `\n${what.stack ?? ""}` : " (KPKEYS_DEBUG=1 shows where)"}`);
  return EXIT.BUG;
}

/** Longer texts hold a part of an input. */
const LONGEST = 2000;

/** What `printable` of @kpkeys/core escapes. Repeated here because an error of usage does not wait for core to load; a test compares both. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * Makes a text of foreign content fit for one line on stderr.
 * @param text - such as a message that repeats an argument
 */
export function readable(text: string): string {
  const shown = text.length > LONGEST ? `${text.slice(0, LONGEST)} ...` : text;
  return shown
    .replaceAll(/\s*\n\s*/g, " ")
    .replace(UNPRINTABLE, (char) => (char === "\t" ? " " : `\\u{${char.codePointAt(0)!.toString(16)}}`));
}

/**
 * Tells the user that stdout cannot be written: a full disk, a descriptor that is not open for writing.
 * @param cause - what the stream reports
 * @returns the exit status
 */
export function tellStdout(cause: NodeJS.ErrnoException): number {
  tell("ERR_OUTPUT", `stdout: ${cause.message}; expected a place where the report can be written`);
  return EXIT.USAGE;
}

function tell(code: string, message: string): void {
  process.stderr.write(`kpkeys: ${code}: ${message}\n`);
}
