import type { Plugin } from "@kpkeys/core/contracts";
import type { Style } from "./style.js";

/** A loaded plugin. `kpkeys plugins --json` prints an array of these. */
export interface LoadedPlugin extends Pick<Plugin, "id" | "kind"> {
  /** The version of its package; `null` if it has none. */
  readonly version: string | null;
  /** The version of the contracts that it was written against. */
  readonly contract: number;
  /** The module that exports it, an absolute path. */
  readonly file: string;
}

const HEAD = ["id", "kind", "version", "contract", "file"];

/**
 * The plugins as text, one per line.
 * @param plugins - the plugins
 * @param style - the colours
 * @returns lines, the last with its line break
 */
export function pluginsTextOf(plugins: readonly LoadedPlugin[], style: Style): string {
  const rows = plugins.map(({ id, kind, version, contract, file }) => [
    id,
    kind,
    version ?? "none",
    String(contract),
    file,
  ]);
  const all = [HEAD, ...rows];
  const widths = HEAD.map((_, column) => Math.max(...all.map((cells) => cells[column]!.length)));
  const lines = all.map((cells) =>
    cells
      .map((cell, column) => cell.padEnd(widths[column]! + 2))
      .join("")
      .trimEnd(),
  );
  return [style.dim(lines[0]), ...lines.slice(1), ""].join("\n");
}
