import { cpus } from "node:os";
import { KpkeysError } from "@kpkeys/core";
import { embeddedTrace, readSmallText } from "@kpkeys/workloads";
import { regressionsOf } from "../bench/compare.js";
import { GROUPS } from "../bench/figures.js";
import { findInstructionCounter } from "../bench/instructions.js";
import { measureAll, ROUNDS } from "../bench/measure.js";
import type { FigureResult } from "../bench/measure.js";
import { compileReference } from "../bench/reference.js";
import { COMMAND_SUBJECTS, figureSubject } from "../bench/subject.js";
import type { Subject } from "../bench/subject.js";
import { EXIT } from "../errors.js";
import type { CommonFlags } from "../options.js";
import { createProgress } from "../progress.js";
import { benchTextOf } from "../report/bench.js";
import type { BenchReport } from "../report/bench.js";
import { styleFor } from "../report/style.js";
import { print, printJson } from "./print.js";

/** The flags of `kpkeys bench`. */
export type BenchFlags = Pick<CommonFlags, "arch" | "json"> & {
  /** The recording that is replayed; the embedded one if left out. */
  readonly trace?: string;
  /** An earlier document to compare with. */
  readonly against?: string;
};

/**
 * `kpkeys bench`: measures figures in rounds against the C reference.
 * @param names - the figures wanted, with those that they are held against; all if empty
 * @param flags - the command line's
 * @returns the exit status: 1 when a figure is worse than in the earlier document by more than noise
 * @throws KpkeysError ERR_USAGE for a figure that there is not; ERR_INPUT_MISSING, ERR_INPUT_KIND for the earlier document
 */
export async function bench(names: readonly string[], flags: BenchFlags): Promise<number> {
  const earlier = flags.against === undefined ? undefined : readFigures(flags.against);
  const groups = wanted(groupsOf(flags), names);
  const compiled = await compileReference();
  const reference = "missing" in compiled ? undefined : compiled;
  // Only what is compared with another run needs what noise cannot touch.
  const isCompared = earlier !== undefined || flags.json === true;
  const counter = isCompared ? await findInstructionCounter() : undefined;
  const runs = ROUNDS * groups.flat().length;
  const progress = await createProgress(1, { doing: "measuring", items: "runs" });
  let done = 0;
  const onRun = (): void => {
    progress.update(0, ++done / runs, done);
  };
  const figures: FigureResult[] = [];
  try {
    for (const group of groups) figures.push(...(await measureAll(group, reference, onRun, counter)));
  } finally {
    progress.stop();
    reference?.remove();
  }
  const report: BenchReport = {
    machine: { cpu: cpus()[0]?.model ?? "unknown", node: process.version },
    rounds: ROUNDS,
    withoutC: "missing" in compiled ? compiled.missing : null,
    figures,
    ...(earlier !== undefined && { regressions: regressionsOf(earlier, figures) }),
  };
  if (flags.json === true) printJson(report);
  else print(benchTextOf(report, styleFor(process.stdout)));
  return (report.regressions ?? []).length > 0 ? EXIT.FAILED : EXIT.GOOD;
}

/** What is measured together; figures without a difference between architectures come with the first. */
function groupsOf({ arch: arches, trace = embeddedTrace.trace }: BenchFlags): Subject[][] {
  const figures = arches.flatMap((arch, place) =>
    GROUPS.map((group) =>
      group.filter(({ perArch }) => perArch || place === 0).map((each) => figureSubject(each, arch, trace)),
    ),
  );
  return [...figures, [...COMMAND_SUBJECTS]];
}

function wanted(groups: readonly Subject[][], names: readonly string[]): readonly (readonly Subject[])[] {
  if (names.length === 0) return groups;
  const all = [...new Set(groups.flat().map(({ name }) => name))];
  const unknown = names.find((name) => !all.includes(name));
  if (unknown !== undefined) {
    throw new KpkeysError("ERR_USAGE", `there is no figure '${unknown}'`, { expected: `some of ${all.join(", ")}` });
  }
  return groups
    .map((group) => {
      const chosen = group.filter(({ name }) => names.includes(name));
      return group.filter((each) => chosen.some(({ name, baseline }) => each.name === name || each.name === baseline));
    })
    .filter((group) => group.length > 0);
}

function readFigures(path: string): readonly FigureResult[] {
  const text = readSmallText(path, "what kpkeys bench --json printed");
  try {
    const { figures } = JSON.parse(text) as { figures: FigureResult[] };
    if (figures.every(({ name, nsPerOperation }) => typeof name === "string" && nsPerOperation > 0)) return figures;
  } catch {
    // Not JSON, or without figures: told below.
  }
  throw new KpkeysError("ERR_INPUT_KIND", "this holds no figures", {
    where: path,
    expected: "what kpkeys bench --json printed",
  });
}
