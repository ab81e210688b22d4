import type { ConfigSymbol, Plugin } from "../contracts/index.js";
import { KpkeysError } from "../errors.js";
import { quote } from "../printable.js";

/** What a `.config` line says of a symbol. */
export interface ConfigLine {
  /** Whether the symbol is on. */
  readonly on: boolean;
  /** The line's number, 1 being the first. */
  readonly line: number;
}

/** What `.config` lines say, by symbol without its `CONFIG_`. */
export type ConfigLines = ReadonlyMap<string, ConfigLine>;

/** As Kconfig reads it: what follows the value or `is not set` means nothing. */
const SET = /^CONFIG_([A-Za-z0-9_]+)=([ymn])(?:\s.*)?$/s;
const UNSET = /^# CONFIG_([A-Za-z0-9_]+) is not set(?:\s.*)?$/s;
/** Blank lines and comments. What begins like `# CONFIG_X is not set` and goes on otherwise is none. */
const COMMENT = /^\s*(?:#(?! CONFIG_[A-Za-z0-9_]+ is not ).*)?$/s;
/** Symbols whose value is a number or a text; Kconfig ignores what follows the closing quote. */
const VALUE = /^CONFIG_[A-Za-z0-9_]+=(?:-?[0-9]+|(?:0[xX])?[0-9A-Fa-f]+|"(?:[^"\\]|\\.)*".*|)$/s;
const BYTE_ORDER_MARK = /^\uFEFF/;

/**
 * Reads the lines of a kernel's `.config`: `CONFIG_X=y` or `=m`, and `CONFIG_X=n` or `# CONFIG_X is not set`. Comments, blank lines
 * and symbols whose value is a number or a text do not decide what is on. Of a symbol that is named twice the last line counts, as in
 * Kconfig.
 *
 * @param lines - without their newlines
 * @param where - the file's name, for messages
 * @returns what the lines say, by symbol without its `CONFIG_`
 * @throws KpkeysError ERR_CONFIG_LINE for a line of any other form
 */
export function readConfig(lines: readonly string[], where = "config"): ConfigLines {
  const said = new Map<string, ConfigLine>();
  lines.forEach((text, index) => {
    const line = index + 1;
    const content = (line === 1 ? text.replace(BYTE_ORDER_MARK, "") : text).trimEnd();
    const [, set, value] = SET.exec(content) ?? [];
    const symbol = set ?? UNSET.exec(content)?.[1];
    if (symbol !== undefined) said.set(symbol, { on: set !== undefined && value !== "n", line });
    else if (!COMMENT.test(content) && !VALUE.test(content)) {
      throw new KpkeysError("ERR_CONFIG_LINE", `${quote(text)} is no config line`, {
        where: `${where}:${line}`,
        expected: "CONFIG_X=y, CONFIG_X=n or # CONFIG_X is not set",
      });
    }
  });
  return said;
}

/** Who brings config symbols: a plugin, or the kernel itself. */
export type ConfigSource = Pick<Plugin, "id" | "kind" | "config">;

/**
 * The config symbols that are on in a machine of some plugins: those that the lines turn on; the plugins' own, unless the lines or
 * their default turn them off; and what those select, to any depth. A default counts where what the symbol depends on is on.
 *
 * @param plugins - all plugins of the machine, and whatever else brings config symbols
 * @param lines - what `.config` lines say; nothing if left out
 * @returns symbols without their `CONFIG_`
 * @throws KpkeysError ERR_CONFIG_DEPENDS when a symbol that is on depends on one that is off, when the lines turn off what another
 *   symbol selects, and when they turn off the symbol that a plugin of the machine stands for
 */
export function resolveConfig(plugins: readonly ConfigSource[], lines: ConfigLines = new Map()): ReadonlySet<string> {
  const known = plugins.flatMap(({ config = [] }) => config);
  const on = new Set<string>();
  for (const [symbol, said] of lines) if (said.on) turnOn(symbol, known, lines, on);
  for (const { symbol, default: standard } of known) {
    if (standard === undefined && lines.get(symbol)?.on !== false) turnOn(symbol, known, lines, on);
  }
  // A default that is another symbol's value comes last, when those are known.
  for (const config of known) {
    if (hasDefaultOn(config, on) && !lines.has(config.symbol)) turnOn(config.symbol, known, lines, on);
  }
  for (const plugin of plugins) {
    for (const config of plugin.config ?? []) checkSymbol(plugin, config, on, lines);
  }
  return on;
}

/** Turns a symbol on, and what it selects. */
function turnOn(symbol: string, known: readonly ConfigSymbol[], lines: ConfigLines, on: Set<string>): void {
  if (on.has(symbol)) return;
  on.add(symbol);
  for (const selected of known.filter((config) => config.symbol === symbol).flatMap(({ selects = [] }) => selects)) {
    const said = lines.get(selected);
    if (said?.on === false) {
      const what = `CONFIG_${selected} is not set, and CONFIG_${symbol} selects it`;
      throw refused(what, `config line ${said.line}`, "it set");
    }
    turnOn(selected, known, lines, on);
  }
}

/** Whether a symbol's default is another symbol that is on, and what it depends on is on. */
function hasDefaultOn({ default: standard, dependsOn = [] }: ConfigSymbol, on: ReadonlySet<string>): boolean {
  return standard !== undefined && on.has(standard) && dependsOn.every((each) => on.has(each));
}

function checkSymbol(plugin: ConfigSource, config: ConfigSymbol, on: ReadonlySet<string>, lines: ConfigLines): void {
  const { symbol, dependsOn = [], default: standard } = config;
  const where = `plugin '${plugin.id}'`;
  if (!on.has(symbol)) {
    // An architecture whose symbol is off is there all the same: only what it selects is missing, which those that need it tell.
    if (standard !== undefined || plugin.kind === "arch") return;
    const line = lines.get(symbol)?.line ?? 0;
    throw refused(`CONFIG_${symbol} is not set (config line ${line})`, where, `CONFIG_${symbol}=y, or no such feature`);
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
