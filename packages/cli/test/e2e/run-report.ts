import { readFileSync } from "node:fs";
import { Ajv } from "ajv";
import { expect } from "vitest";
import type { RunReport } from "../../src/index.js";
import { jsonOf } from "./kpkeys.js";

const schema = JSON.parse(readFileSync(new URL("../run.schema.json", import.meta.url), "utf8")) as object;
const isRunReport = new Ajv({ allErrors: true, strictTypes: false }).compile(schema);

/** The document of a command, validated by the schema. */
export function reportOf(...args: string[]): RunReport & { readonly status: number | null } {
  const { status, document } = jsonOf(...args);
  isRunReport(document);
  expect(isRunReport.errors).toBeNull();
  return { ...(document as RunReport), status };
}
