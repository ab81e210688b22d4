import { fileURLToPath } from "node:url";
import { ESLint } from "eslint";
import { beforeAll, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));

let eslint: ESLint;

beforeAll(() => {
  eslint = new ESLint({ cwd: ROOT, overrideConfigFile: `${ROOT}tools/words/check.mjs` });
});

/** @returns rule and line of each finding in a text */
async function findings(text: string, file = "packages/kernel/src/any.ts"): Promise<string[]> {
  const [result] = await eslint.lintText(text, { filePath: ROOT + file });
  return result!.messages.map(({ ruleId, line }) => `${ruleId} ${line}`);
}

// The words are put together here, so that this file passes the check that it tests.
const TOLD = "to" + "ld";
const OWN = ["of", "its", "own"];
const PARAM = "@param";

test("a word is found in comments, strings, names and documents, as a whole word only", async () => {
  expect(await findings(`// is ${TOLD}\nconst text = "${TOLD}";\nis${TOLD.replace("t", "T")}();\n`)).toEqual([
    "words/speech 1",
    "words/speech 2",
    "words/speech 3",
  ]);
  expect(await findings(`It is ${TOLD}.\n`, "docs/any.md")).toEqual(["words/speech 1"]);
  expect(await findings("// An understanding of standard retold hearts.\n")).toEqual([]);
});

test("a phrase is found across the lines of a comment", async () => {
  expect(await findings(`/**\n * A key ${OWN.slice(0, 2).join(" ")}\n * ${OWN[2]}.\n */\n`)).toEqual(["words/own 2"]);
  expect(await findings(`// A key ${OWN[0]}\n// ${OWN.slice(1).join(" ")}.\n`)).toEqual(["words/own 1"]);
});

test("a comment opens with a noun", async () => {
  expect(await findings("/** What a guard returns. */\n// Why: what is new.\n// What is it?\n")).toEqual([
    "words/riddle 1",
  ]);
  expect(await findings(` * ${PARAM} state - what was entered\n// so that\n// what follows\n`)).toEqual([
    "words/riddle 1",
  ]);
});
