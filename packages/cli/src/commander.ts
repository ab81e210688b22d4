import { createRequire } from "node:module";
import type * as Commander from "commander";

// Loaded as the CommonJS module that it is: as an ES module it takes twice as long, which every command would wait for.
const commander = createRequire(import.meta.url)("commander") as typeof Commander;

/** A command of the command line. */
export type Command = Commander.Command;
/** Makes one. */
export const Command: typeof Commander.Command = commander.Command;

/** An option of a command. */
export type Option = Commander.Option;
/** Makes one. */
export const Option: typeof Commander.Option = commander.Option;

/** An option whose value is a file that the command writes; every other `<file>` is read. */
export class OutputOption extends Option {}

/** What the command line throws. */
export const CommanderError: typeof Commander.CommanderError = commander.CommanderError;
/** What a parser of arguments throws at one that it does not take. */
export const InvalidArgumentError: typeof Commander.InvalidArgumentError = commander.InvalidArgumentError;
