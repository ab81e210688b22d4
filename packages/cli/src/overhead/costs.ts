import { KpkeysError } from "@kpkeys/core";
import { costFileText, RFC_V5_COSTS } from "@kpkeys/workloads/cost";
import type { CostFile } from "@kpkeys/workloads/cost";
import { writeOutput } from "../output.js";

/**
 * Reads unit costs.
 * @param path - a file; the costs of RFC v5 if left out
 * @param arches - ids of the architectures that its field `arch` may name
 * @throws KpkeysError ERR_INPUT_MISSING, ERR_COST_FILE
 */
export async function readCosts(path: string | undefined, arches: readonly string[]): Promise<CostFile> {
  if (path === undefined) return RFC_V5_COSTS;
  const { z } = await import("zod");
  const cost = z.number().positive();
  const costs = z.strictObject({
    synchronisedWrite: cost,
    elidedWrite: z.number().nonnegative(),
    setMemoryPkey: z.number().nonnegative(),
    userFault: cost,
  });
  const form = z.strictObject({
    arch: z.enum(arches),
    basis: z.string().min(1),
    unit: z.string().min(1),
    costs,
    samples: z.array(costs).min(1).optional(),
  });
  const { data, error } = form.safeParse(await parse(path));
  if (data !== undefined) {
    const { samples, ...file } = data;
    return samples === undefined ? file : { ...file, samples };
  }
  const { path: at, message } = error.issues[0]!;
  throw new KpkeysError("ERR_COST_FILE", `${at.join(".") || "the document"}: ${message}`, {
    where: path,
    expected: "arch, basis, unit and costs, as docs/overhead.md describes them",
  });
}

async function parse(path: string): Promise<unknown> {
  const { readSmallText } = await import("@kpkeys/workloads/node");
  const text = readSmallText(path, "a file of unit costs");
  try {
    return JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new KpkeysError("ERR_COST_FILE", why, {
      where: path,
      expected: "a JSON document, as docs/overhead.md describes it",
      cause,
    });
  }
}

/**
 * Writes unit costs in the form that {@link readCosts} reads.
 * @param path - the file
 * @param file - the unit costs
 * @throws KpkeysError ERR_OUTPUT
 */
export function writeCosts(path: string, file: CostFile): void {
  writeOutput(path, costFileText(file));
}
