import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as core from "../../src/index.js";
import * as contracts from "../../src/contracts/index.js";
import * as machine from "../../src/machine/index.js";
import { describe, expect, it } from "vitest";
import { examplesOf, runExample } from "./run-examples.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const files = ["src/errors.ts", ...readdirSync(`${root}src/framework`).map((name) => `src/framework/${name}`)];

describe("every example prints the lines in its comments", () => {
  for (const example of files.flatMap((file) => examplesOf(root + file))) {
    it(example.where.slice(root.length), async () => {
      const { printed, promised } = await runExample(example, {
        "@kpkeys/core": core,
        "@kpkeys/core/contracts": contracts,
        "@kpkeys/core/machine": machine,
      });
      expect(printed).toEqual(promised);
      expect(printed).not.toEqual([]);
    });
  }
});
