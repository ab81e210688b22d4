import { Option } from "commander";

export { Command, CommanderError, InvalidArgumentError, Option } from "commander";

/** An option whose value is a file that the command writes; every other `<file>` is read. */
export class OutputOption extends Option {}
