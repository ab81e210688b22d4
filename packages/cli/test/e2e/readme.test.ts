import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { kpkeys, LONG } from "./kpkeys.js";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const block = (language: string): string => new RegExp(`\`\`\`${language}\n([^]*?)\`\`\``).exec(readme)![1]!;
const commands = block("sh").trim().split("\n");

/** Numbers are the model's, which grows; all else must be as it is printed. */
const withoutNumbers = (text: string): string => text.replaceAll(/\b[\da-f]{16}\b|[\d,]+/g, "#").replaceAll(/ +/g, " ");

describe("the README's command", () => {
  test.each(commands)("%s runs", { timeout: LONG }, (command) => {
    const { status, stdout, stderr } = kpkeys(...command.split(" ").slice(2));
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    if (command === commands.at(-1)) expect(withoutNumbers(stdout)).toBe(withoutNumbers(block("text")));
  });
});
