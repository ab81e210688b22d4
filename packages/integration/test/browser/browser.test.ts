import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import type { Browser, Page } from "playwright-core";
import { rolldown } from "rolldown";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ARCHES } from "../machines.js";
import { findChromium } from "./chromium.js";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const TRACE = `${ROOT}packages/workloads/traces/gcc-hello.perf-script.txt.gz`;
/** No server is there: the browser's requests are answered here. On localhost a page has the Web Crypto API. */
const ORIGIN = "http://localhost/";

const executablePath = findChromium();
const isSkipped = executablePath === undefined && process.env["CI"] === undefined;
if (isSkipped) console.log("skipped: no Chromium is installed (Debian: apt-get install chromium)");

/** The page's modules, bundled from what is built, and what they import that is not among them. */
async function bundle(): Promise<{ files: Map<string, string>; missing: string[] }> {
  const bundled = await rolldown({
    input: fileURLToPath(new URL("page.ts", import.meta.url)),
    platform: "browser",
    external: /^node:/,
  });
  const { output } = await bundled.generate({ format: "esm" });
  const chunks = output.filter((each) => each.type === "chunk");
  const files = new Map(chunks.map(({ fileName, code }) => [fileName, code]));
  const imports = chunks.flatMap((chunk) => [...chunk.imports, ...chunk.dynamicImports]);
  return { files, missing: imports.filter((name) => !files.has(name)) };
}

describe.skipIf(isSkipped)("in Chromium", () => {
  let browser: Browser | undefined;
  let page: Page;
  let missing: string[];
  const errors: string[] = [];

  beforeAll(async () => {
    if (executablePath === undefined) throw new Error("no Chromium is installed, and CI needs it");
    const { files, ...rest } = await bundle();
    ({ missing } = rest);
    browser = await chromium.launch({ executablePath });
    page = await browser.newPage();
    page.on("pageerror", (error) => errors.push(error.message));
    await page.route(`${ORIGIN}**`, async (route) => {
      const name = route.request().url().slice(ORIGIN.length);
      const code = files.get(name);
      if (code !== undefined) await route.fulfill({ contentType: "text/javascript", body: code });
      else if (name === "trace.gz") await route.fulfill({ body: readFileSync(TRACE) });
      else await route.fulfill({ contentType: "text/html", body: "<!doctype html>" });
    });
    await page.goto(ORIGIN);
  });

  afterAll(async () => {
    await browser?.close();
  });

  /** Calls a function of the page. */
  const call = (name: string, ...values: string[]): Promise<unknown> =>
    page.evaluate(
      `import("/page.js").then((page) => page.${name}(${values.map((each) => JSON.stringify(each)).join()}))`,
    );

  test("every entry is bundled without a module of Node.js", async () => {
    expect(missing).toEqual([]);
    const empty = `import("/page.js").then(({ entries }) => Object.keys(entries).filter((name) => Object.keys(entries[name]).length === 0))`;
    expect(await page.evaluate(empty)).toEqual([]);
  });

  describe.each(ARCHES)("%s", (arch) => {
    test("the bundled recording has the command's digest", async () => {
      const args = ["replay", TRACE, "--arch", arch, "--policy", "batched", "--memory", "256MiB", "--json"];
      const { stdout } = spawnSync(process.execPath, [`${ROOT}packages/cli/bin/kpkeys.js`, ...args], {
        encoding: "utf8",
      });
      const { arches } = JSON.parse(stdout) as { arches: { digest: string }[] };
      expect(await call("digest", arch, `${ORIGIN}trace.gz`)).toBe(arches[0]!.digest);
    });

    test("the KUnit suites pass", async () => {
      expect(await call("suites", arch)).toEqual({ passed: 5, failed: 0, skipped: 0 });
    });

    test("the architecture keeps the rules of the conformance kit", async () => {
      expect(await call("broken", arch)).toEqual([]);
    });
  });

  test("nothing was thrown", () => {
    expect(errors).toEqual([]);
  });
});
