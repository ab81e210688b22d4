import { describe, expect, test } from "vitest";
import { commandNames, examplesIn } from "./help.js";
import { kpkeys } from "./kpkeys.js";

test("the help of the program has examples", () => {
  expect(examplesIn("--help")).not.toEqual([]);
});

describe("the help of", () => {
  test.each(commandNames())("%s has examples, each of this command", (name) => {
    const examples = examplesIn(name, "--help");
    expect(examples).not.toEqual([]);
    expect(examples.filter((line) => !line.includes(`kpkeys ${name}`))).toEqual([]);
  });
});

test("help goes to stdout, with status 0", () => {
  const { status, stderr } = kpkeys("run", "--help");
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
});
