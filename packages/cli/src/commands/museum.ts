import type { PluginRegistry } from "@kpkeys/core";
import { archesOf, EXHIBITS, findExhibit, replaySide, runSide } from "@kpkeys/kunit-suite/museum";
import type { SideName, SideRun } from "@kpkeys/kunit-suite/museum";
import { EXIT } from "../errors.js";
import { loadRegistry } from "../plugins/load.js";
import type { PluginEntry } from "../plugins/registry.js";
import { exhibitTextOf, isAsStated, museumReportOf, museumTextOf, sideText } from "../report/museum.js";
import type { ExhibitRun, MuseumReplay } from "../report/museum.js";
import { styleFor } from "../report/style.js";
import { print, printJson } from "./print.js";

/** The flags of `kpkeys museum`. */
export interface MuseumFlags {
  /** The plugins that there are. */
  readonly plugins: readonly PluginEntry[];
  /** Ids of architectures. */
  readonly arch: readonly string[];
  /** One exhibit instead of all. */
  readonly id?: string;
  /** One side of one exhibit, and nothing else. */
  readonly replay?: string;
  /** Whether the result is printed as JSON. */
  readonly json?: true;
}

/**
 * `kpkeys museum`: the bugs of the series, each on a machine that shows it and on one that does not.
 * @param flags - the command line's
 * @returns the exit status: bad when a side is not as stated
 * @throws KpkeysError ERR_EXHIBIT for what is not in the museum
 */
export async function museum(flags: MuseumFlags): Promise<number> {
  const { id, replay, json } = flags;
  const registry = await loadRegistry(
    flags.plugins.filter(({ id, kind }) => kind === "feature" || flags.arch.includes(id)),
  );
  if (replay !== undefined) return showReplay(replay, registry, json === true);

  const runs = runExhibits(flags, registry);
  const style = styleFor(process.stdout);
  if (json === true) printJson(museumReportOf(runs, id !== undefined));
  else print(id === undefined ? museumTextOf(runs, style) : exhibitTextOf(runs, style));
  return runs.every(isAsStated) ? EXIT.GOOD : EXIT.FAILED;
}

function showReplay(text: string, registry: PluginRegistry, json: boolean): number {
  const run = replaySide(text, registry);
  const { id, side, arch, seen, evidence, trace, replay }: MuseumReplay = run;
  if (json) printJson({ id, side, arch, seen, evidence, trace, replay });
  else print(`${sideText(run, styleFor(process.stdout))}\n`);
  return run.asStated ? EXIT.GOOD : EXIT.FAILED;
}

function runExhibits({ arch: wanted, id }: MuseumFlags, registry: PluginRegistry): ExhibitRun[] {
  const exhibits = id === undefined ? EXHIBITS : [findExhibit(id)];
  const all = exhibits.flatMap((exhibit) => archesOf(exhibit, registry).map((arch) => ({ exhibit, arch })));
  // One that applies to none of the architectures: the run of its side says so.
  if (id !== undefined && all.length === 0) runSide({ id, side: "red", arch: wanted[0]! }, registry);
  return all.map(({ exhibit, arch }) => {
    const run = (side: SideName): SideRun => runSide({ id: exhibit.id, side, arch }, registry);
    return { exhibit, arch, red: run("red"), green: run("green") };
  });
}
