import { CommanderError } from "./commander.js";

/** The exit statuses of the command. */
export const EXIT = {
  /** Success. */
  GOOD: 0,
  /** A check failed. */
  FAILED: 1,
  /** An error with a code: bad usage, an input that cannot be read, an output that cannot be written. */
  USAGE: 2,
  /** Interrupted, after the report so far was printed: 128 plus the number of SIGINT, as in shells. */
  INTERRUPTED: 130,
  /** A bug of the command: EX_SOFTWARE of sysexits.h. */
  BUG: 70,
} as const;

/**
 * Prints an error on stderr as one line: `kpkeys: CODE: where: what; expected what`. An error without a code is a bug of kpkeys; its stack
 * is printed if `KPKEYS_DEBUG` is set.
 *
 * @param error - the thrown value
 * @param help - the command line that prints the help, for errors of usage
 * @returns the exit status
 */
export function reportError(error: unknown, help: string): number {
  if (error instanceof CommanderError) {
    // Commander throws for --help and --version too, and for the help that it prints without a command.
    if (error.code.startsWith("commander.help") || error.code === "commander.version")
      return error.exitCode === 0 ? EXIT.GOOD : EXIT.USAGE;
    // The message of an invalid argument has its expected form; for other errors it is in the help.
    const hint = error.code === "commander.invalidArgument" ? "" : `; run \`${help}\``;
    printError("ERR_USAGE", readable(error.message.replace(/^error: /, "")) + hint);
    return EXIT.USAGE;
  }
  // Recognised by name: an error from a worker loses its class, and importing the class would load core.
  if (error instanceof Error && error.name === "KpkeysError" && "code" in error) {
    printError(String(error.code), readable(error.message));
    return EXIT.USAGE;
  }
  const what = error instanceof Error ? error : new Error(String(error));
  const debugging = (process.env["KPKEYS_DEBUG"] ?? "") !== "";
  printError(
    "bug",
    `${readable(what.message)}${debugging ? `\n${what.stack ?? ""}` : " (set KPKEYS_DEBUG=1 for the stack)"}`,
  );
  return EXIT.BUG;
}

/** Longer messages are cut, because they repeat a part of an input. */
const LONGEST = 2000;

/** The characters that `printable` of @kpkeys/core escapes. A copy, so that a usage error does not load core; a test compares both. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * Makes a text safe for one line on stderr: cuts it, joins its lines and escapes control characters.
 * @param text - a text that may repeat a part of an input
 */
export function readable(text: string): string {
  const shown = text.length > LONGEST ? `${text.slice(0, LONGEST)} ...` : text;
  return shown
    .replaceAll(/\s*\n\s*/g, " ")
    .replace(UNPRINTABLE, (char) => (char === "\t" ? " " : `\\u{${char.codePointAt(0)!.toString(16)}}`));
}

/**
 * Reports that stdout cannot be written: a full disk, a descriptor that is not open for writing.
 * @param cause - the error of the stream
 * @returns the exit status
 */
export function reportStdoutError(cause: NodeJS.ErrnoException): number {
  printError("ERR_OUTPUT", `stdout: ${cause.message}; expected a writable stdout`);
  return EXIT.USAGE;
}

function printError(code: string, message: string): void {
  process.stderr.write(`kpkeys: ${code}: ${message}\n`);
}
