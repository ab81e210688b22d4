import { kpkeys } from "./kpkeys.js";

/** The commands of `kpkeys --help`, except `help`. */
export function commandNames(): string[] {
  const [, commands = ""] = kpkeys("--help").stdout.split("Commands:\n");
  const names = [...commands.matchAll(/^ {2}([a-z-]+) /gm)].map((match) => match[1]!);
  return names.filter((name) => !["help", "kpkeys"].includes(name));
}

/** The lines below "Examples:" of a help. */
export function examplesIn(...args: string[]): string[] {
  const [, examples = ""] = kpkeys(...args).stdout.split("\nExamples:\n");
  return [...examples.matchAll(/^ {2}(\S.*)$/gm)].map((match) => match[1]!);
}
