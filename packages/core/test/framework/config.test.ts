import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { ConfigSymbol, Plugin } from "../../src/contracts/index.js";
import { KpkeysError, readConfig, resolveConfig } from "../../src/index.js";

function plugin(id: string, kind: Plugin["kind"], config: readonly ConfigSymbol[]): Plugin {
  return { id, kind, description: id, contract: 2, config, setup: () => undefined };
}

/** The symbols as arch/arm64/Kconfig, mm/Kconfig and security/Kconfig.hardening relate them. */
const ARCH = plugin("arm64", "arch", [
  { symbol: "ARM64_POE", selects: ["ARCH_HAS_KPKEYS", "ARCH_HAS_KPKEYS_HARDENED_PGTABLES"] },
]);
const FEATURE = plugin("pgtables", "feature", [
  {
    symbol: "ARCH_HAS_KPKEYS_HARDENED_PGTABLES",
    dependsOn: ["ARCH_HAS_KPKEYS"],
    default: "ARCH_HAS_KPKEYS_HARDENED_PGTABLES",
  },
  { symbol: "KPKEYS_HARDENED_PGTABLES", dependsOn: ["ARCH_HAS_KPKEYS_HARDENED_PGTABLES"] },
  {
    symbol: "KPKEYS_HARDENED_PGTABLES_KUNIT_TEST",
    dependsOn: ["KPKEYS_HARDENED_PGTABLES", "KUNIT"],
    default: "KUNIT_ALL_TESTS",
  },
]);
const BASE = ["ARCH_HAS_KPKEYS", "ARCH_HAS_KPKEYS_HARDENED_PGTABLES", "ARM64_POE", "KPKEYS_HARDENED_PGTABLES"];
const TEST = "KPKEYS_HARDENED_PGTABLES_KUNIT_TEST";

const on = (...lines: string[]): string[] => [...resolveConfig([ARCH, FEATURE], readConfig(lines))].sort();

function errorOf(action: () => unknown): KpkeysError {
  try {
    action();
  } catch (error) {
    if (error instanceof KpkeysError) return error;
  }
  throw new Error("nothing was thrown");
}

describe("config lines", () => {
  const name = fc.stringMatching(/^[A-Z0-9_]{1,12}$/);

  it("turn symbols on and off, each by its last line, blank lines between", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.boolean())), (symbols) => {
        const lines = symbols.flatMap(([symbol, y]) => [
          y ? `CONFIG_${symbol}=y` : `# CONFIG_${symbol} is not set`,
          "",
        ]);
        const read = readConfig(lines);
        const last = new Map(symbols);
        expect(new Map([...read].map(([symbol, { on }]) => [symbol, on]))).toEqual(last);
        for (const [symbol, { line }] of read) expect(lines[line - 1]).toContain(`CONFIG_${symbol}`);
      }),
    );
  });

  it.each(['"a\\"b"', '"a # b" # c', '""', '"\\\\"', "0x1F", "-5", "m"])("may have the value %s", (value) => {
    expect([...readConfig([`CONFIG_X=${value}`])].map(([symbol]) => symbol)).toEqual(value === "m" ? ["X"] : []);
  });

  it("with an unterminated string are rejected", () => {
    for (const value of ['"', '"a', '"a\\"'])
      expect(errorOf(() => readConfig([`CONFIG_X=${value}`])).code).toBe("ERR_CONFIG_LINE");
  });

  it("are read from the file of a whole kernel", () => {
    const file = [
      "#",
      "# Automatically generated file; DO NOT EDIT.",
      "# Linux/arm64 7.1.0 Kernel Configuration",
      "#",
      'CONFIG_CC_VERSION_TEXT="gcc (GCC) 15.2.0"',
      "CONFIG_NR_CPUS=512",
      "CONFIG_PHYSICAL_START=0x1000000",
      "CONFIG_KUNIT=m",
      "CONFIG_KPKEYS_HARDENED_PGTABLES=y",
      "# CONFIG_DEBUG_PAGEALLOC is not set",
      "# end of General setup",
    ];
    expect([...readConfig(file)].map(([symbol, { on }]) => [symbol, on])).toEqual([
      ["KUNIT", true],
      ["KPKEYS_HARDENED_PGTABLES", true],
      ["DEBUG_PAGEALLOC", false],
    ]);
  });

  it("may be written by hand and on any system: n, comments after a value, CRLF, blanks, a byte order mark", () => {
    const file = [
      "\uFEFFCONFIG_A=y\r",
      "CONFIG_B=n",
      "CONFIG_C=m  # for a module",
      "# CONFIG_D is not set \r",
      "# CONFIG_E=y",
      "#CONFIG_F=y",
      "  # indented",
      "\t",
      'CONFIG_G="a \\"quoted\\" # word"',
      "CONFIG_H=-12",
      "CONFIG_I=C0000000",
      "CONFIG_J=",
      "CONFIG_C=n",
    ];
    expect([...readConfig(file)].map(([symbol, { on, line }]) => [symbol, on, line])).toEqual([
      ["A", true, 1],
      ["B", false, 2],
      ["C", false, 13],
      ["D", false, 4],
    ]);
  });

  it("of another form are quoted in the error, truncated and without control characters", () => {
    const error = errorOf(() => readConfig([`\u001b]0;owned\u0007\u009b${"x".repeat(10_000_000)}`], "my\u001b.config"));
    expect(error.code).toBe("ERR_CONFIG_LINE");
    expect(error.message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(error.message.length).toBeLessThan(400);
  });

  it.each([
    "CONFIG_NR_CPUS=sixty-four",
    "CONFIG_X",
    'CONFIG_X="no end',
    "CONFIG_X=yes",
    "CONFIG_X=N",
    "# CONFIG_X is not st",
    "CONFIG_X y",
    " CONFIG_X=y",
    "CONFIG_X is not set",
  ])("of another form are refused with their number: '%s'", (line) => {
    const error = errorOf(() => readConfig(["CONFIG_A=y", "", line], "my.config"));
    expect(error.code).toBe("ERR_CONFIG_LINE");
    expect(error.message).toContain("my.config:3: ");
  });
});

describe("config symbols", () => {
  it("without lines are those of the plugins and those that they select", () => {
    expect(on()).toEqual(BASE);
  });

  it("that a line turns off are off, with the symbols that only they select; a feature that needs one is rejected", () => {
    const error = errorOf(() => on("# CONFIG_ARM64_POE is not set"));
    expect(error.code).toBe("ERR_CONFIG_DEPENDS");
    expect(error.message).toContain("KPKEYS_HARDENED_PGTABLES depends on ARCH_HAS_KPKEYS_HARDENED_PGTABLES");
    expect([...resolveConfig([ARCH], readConfig(["# CONFIG_ARM64_POE is not set"]))]).toEqual([]);
  });

  it("of a feature of the machine cannot be off", () => {
    const error = errorOf(() => on("", "# CONFIG_KPKEYS_HARDENED_PGTABLES is not set"));
    expect(error.code).toBe("ERR_CONFIG_DEPENDS");
    expect(error.message).toContain("CONFIG_KPKEYS_HARDENED_PGTABLES is not set (config line 2)");
  });

  it("that another selects cannot be off", () => {
    const error = errorOf(() => on("# CONFIG_ARCH_HAS_KPKEYS is not set"));
    expect(error.code).toBe("ERR_CONFIG_DEPENDS");
    expect(error.message).toContain("CONFIG_ARM64_POE selects it");
  });

  it("with a default have its value, unless a line sets them", () => {
    expect(on("CONFIG_KUNIT=y", "CONFIG_KUNIT_ALL_TESTS=y")).toContain(TEST);
    expect(on("CONFIG_KUNIT=y")).not.toContain(TEST);
    expect(on("CONFIG_KUNIT=y", `CONFIG_${TEST}=y`)).toContain(TEST);
    expect(on("CONFIG_KUNIT=y", "CONFIG_KUNIT_ALL_TESTS=y", `# CONFIG_${TEST} is not set`)).not.toContain(TEST);
  });

  it("with a default are off if a dependency is off, without an error", () => {
    expect(on("CONFIG_KUNIT_ALL_TESTS=y")).not.toContain(TEST);
    expect(on("CONFIG_KUNIT_ALL_TESTS=y", "# CONFIG_KUNIT is not set")).not.toContain(TEST);
  });

  it("that are on without their dependencies are rejected", () => {
    expect(errorOf(() => on(`CONFIG_${TEST}=y`)).message).toContain(`CONFIG_${TEST} depends on KUNIT`);
    const half = plugin("half", "arch", [{ symbol: "HALF", selects: ["ARCH_HAS_KPKEYS_HARDENED_PGTABLES"] }]);
    expect(errorOf(() => resolveConfig([half, FEATURE])).message).toContain(
      "CONFIG_ARCH_HAS_KPKEYS_HARDENED_PGTABLES depends on ARCH_HAS_KPKEYS",
    );
  });
});
