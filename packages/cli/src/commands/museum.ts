import type { PluginRegistry } from "@kpkeys/core";
import { archesOf, EXHIBITS, findExhibit, replaySide, runSide } from "@kpkeys/kunit-suite/museum";
import type { SideName, SideRun } from "@kpkeys/kunit-suite/museum";
import { EXIT } from "../errors.js";
import { loadRegistry } from "../plugins/load.js";
import type { PluginEntry } from "../plugins/registry.js";
import { exhibitTextOf, isAsStated, museumReportOf, museumTextOf, sideText } from "../report/museum.js";
import type { ExhibitRun, MuseumReplay } from "../report/museum.js";
import { printReport } from "./print.js";

/** The flags of `kpkeys museum`. */
export interface MuseumFlags {
  /** All loaded plugins. */
  readonly plugins: readonly PluginEntry[];
  /** Ids of architectures. */
  readonly arch: readonly string[];
  /** Id of the only exhibit to run; all if left out. */
  readonly id?: string;
  /** A replay string: the only side to run. */
  readonly replay?: string;
  /** Whether the result is printed as JSON. */
  readonly json?: true;
}

/**
 * `kpkeys museum`: reproduces the bugs fixed in each version of the series, with and without the fix.
 * @param flags - the command line's
 * @returns the exit status: 1 when a side does not behave as its exhibit states
 * @throws KpkeysError ERR_EXHIBIT for an unknown exhibit or a malformed replay string
 */
export async function museum(flags: MuseumFlags): Promise<number> {
  const { id, replay, json } = flags;
  const registry = await loadRegistry(
    flags.plugins.filter(({ id, kind }) => kind === "feature" || flags.arch.includes(id)),
  );
  if (replay !== undefined) return showReplay(replay, registry, json);

  const runs = runExhibits(flags, registry);
  printReport(json, museumReportOf(runs, id !== undefined), (style) =>
    id === undefined ? museumTextOf(runs, style) : exhibitTextOf(runs, style),
  );
  return runs.every(isAsStated) ? EXIT.GOOD : EXIT.FAILED;
}

function showReplay(text: string, registry: PluginRegistry, json: true | undefined): number {
  const run = replaySide(text, registry);
  const { id, side, arch, seen, evidence, trace, replay }: MuseumReplay = run;
  printReport(json, { id, side, arch, seen, evidence, trace, replay }, (style) => `${sideText(run, style)}\n`);
  return run.asStated ? EXIT.GOOD : EXIT.FAILED;
}

function runExhibits({ arch: wanted, id }: MuseumFlags, registry: PluginRegistry): ExhibitRun[] {
  const exhibits = id === undefined ? EXHIBITS : [findExhibit(id)];
  const all = exhibits.flatMap((exhibit) => archesOf(exhibit, registry).map((arch) => ({ exhibit, arch })));
  // The exhibit applies to none of the architectures: running a side throws the error that states this.
  if (id !== undefined && all.length === 0) runSide({ id, side: "red", arch: wanted[0]! }, registry);
  return all.map(({ exhibit, arch }) => {
    const run = (side: SideName): SideRun => runSide({ id: exhibit.id, side, arch }, registry);
    return { exhibit, arch, red: run("red"), green: run("green") };
  });
}
