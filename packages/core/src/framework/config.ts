import type { ConfigSymbol, Plugin } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import { quote } from "../printable.js";

/** The value of a symbol in a `.config` line. */
export interface ConfigLine {
  /** Whether the symbol is on. */
  readonly on: boolean;
  /** The line's number, 1 being the first. */
  readonly line: number;
}

/** Symbols of `.config` lines, by name without `CONFIG_`. */
export type ConfigLines = ReadonlyMap<string, ConfigLine>;

/** As in Kconfig, text after the value or after `is not set` is ignored. */
const SET = /^CONFIG_([A-Za-z0-9_]+)=([ymn])(?:\s.*)?$/s;
const UNSET = /^# CONFIG_([A-Za-z0-9_]+) is not set(?:\s.*)?$/s;
/** Blank lines and comments. A line that begins like `# CONFIG_X is not set` and continues differently is not a comment. */
const COMMENT = /^\s*(?:#(?! CONFIG_[A-Za-z0-9_]+ is not ).*)?$/s;
/** Symbols whose value is a number or a string; Kconfig ignores text after the closing quote. */
const VALUE = /^CONFIG_[A-Za-z0-9_]+=(?:-?[0-9]+|(?:0[xX])?[0-9A-Fa-f]+|"(?:[^"\\]|\\.)*".*|)$/s;
const BYTE_ORDER_MARK = /^\uFEFF/;

/**
 * Reads the lines of a kernel's `.config`: `CONFIG_X=y` or `=m`, and `CONFIG_X=n` or `# CONFIG_X is not set`. Comments, blank lines
 * and symbols whose value is a number or a string are ignored. As in Kconfig, the last line of a symbol counts.
 *
 * @param lines - without their newlines
 * @param where - the file's name, for messages
 * @returns the symbols, by name without `CONFIG_`
 * @throws KpkeysError ERR_CONFIG_LINE for a line of any other form
 */
export function readConfig(lines: readonly string[], where = "config"): ConfigLines {
  const symbols = new Map<string, ConfigLine>();
  lines.forEach((text, index) => {
    const line = index + 1;
    const content = (line === 1 ? text.replace(BYTE_ORDER_MARK, "") : text).trimEnd();
    const [, set, value] = SET.exec(content) ?? [];
    const symbol = set ?? UNSET.exec(content)?.[1];
    if (symbol !== undefined) symbols.set(symbol, { on: set !== undefined && value !== "n", line });
    else if (!COMMENT.test(content) && !VALUE.test(content)) {
      throw new KpkeysError("ERR_CONFIG_LINE", `${quote(text)} is not a config line`, {
        where: `${where}:${line}`,
        expected: "CONFIG_X=y, CONFIG_X=n or # CONFIG_X is not set",
      });
    }
  });
  return symbols;
}

/** A source of config symbols: a plugin, or the kernel itself. */
export type ConfigSource = Pick<Plugin, "id" | "kind" | "config">;

/**
 * The config symbols that are on in a machine: those that the lines turn on; those of the plugins, unless the lines or their default
 * turn them off; and all symbols that these select. A default applies if the symbol's dependencies are on.
 *
 * @param plugins - all plugins of the machine, and other sources of config symbols
 * @param lines - symbols of `.config` lines; none if left out
 * @returns symbols without `CONFIG_`
 * @throws KpkeysError ERR_CONFIG_DEPENDS if a symbol that is on depends on one that is off, if the lines turn off a symbol that another
 *   one selects, and if they turn off the symbol of a feature that is in the machine
 */
export function resolveConfig(plugins: readonly ConfigSource[], lines: ConfigLines = new Map()): ReadonlySet<string> {
  const known = plugins.flatMap(({ config = [] }) => config);
  const on = new Set<string>();
  for (const [symbol, { on: isOn }] of lines) if (isOn) turnOn(symbol, known, lines, on);
  for (const { symbol, default: standard } of known) {
    if (standard === undefined && lines.get(symbol)?.on !== false) turnOn(symbol, known, lines, on);
  }
  // Defaults are the values of other symbols, which are known now.
  for (const config of known) {
    if (hasDefaultOn(config, on) && !lines.has(config.symbol)) turnOn(config.symbol, known, lines, on);
  }
  for (const plugin of plugins) {
    for (const config of plugin.config ?? []) checkSymbol(plugin, config, on, lines);
  }
  return on;
}

/** Turns a symbol on, and the symbols that it selects. */
function turnOn(symbol: string, known: readonly ConfigSymbol[], lines: ConfigLines, on: Set<string>): void {
  if (on.has(symbol)) return;
  on.add(symbol);
  for (const selected of known.filter((config) => config.symbol === symbol).flatMap(({ selects = [] }) => selects)) {
    const entry = lines.get(selected);
    if (entry?.on === false) {
      const what = `CONFIG_${selected} is not set, and CONFIG_${symbol} selects it`;
      throw refused(what, `config line ${entry.line}`, "it set");
    }
    turnOn(selected, known, lines, on);
  }
}

/** Whether a symbol's default and its dependencies are on. */
function hasDefaultOn({ default: standard, dependsOn = [] }: ConfigSymbol, on: ReadonlySet<string>): boolean {
  return standard !== undefined && on.has(standard) && dependsOn.every((each) => on.has(each));
}

function checkSymbol(plugin: ConfigSource, config: ConfigSymbol, on: ReadonlySet<string>, lines: ConfigLines): void {
  const { symbol, dependsOn = [], default: standard } = config;
  const where = `plugin '${plugin.id}'`;
  if (!on.has(symbol)) {
    // An architecture is in the machine even if its symbol is off. Features that depend on a symbol that it selects then fail.
    if (standard !== undefined || plugin.kind === "arch") return;
    const line = lines.get(symbol)?.line ?? 0;
    throw refused(
      `CONFIG_${symbol} is not set (config line ${line})`,
      where,
      `CONFIG_${symbol}=y, or a machine without the feature`,
    );
  }
  const off = dependsOn.filter((dependency) => !on.has(dependency));
  if (off.length === 0) return;
  throw refused(
    `CONFIG_${symbol} depends on ${off.join(" and ")}, which is off`,
    where,
    "an architecture or feature that selects it",
  );
}

function refused(what: string, where: string, expected: string): KpkeysError {
  return new KpkeysError("ERR_CONFIG_DEPENDS", what, { where, expected });
}
