import { chmodSync, existsSync, linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { openSync, closeSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { readSmallText } from "@kpkeys/workloads/node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { createOutput, rejectSameFile, writeOutput } from "../src/output.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "kpkeys-output-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const place = (name: string): string => join(folder, name);
const refusal = (code: string): Error => expect.objectContaining({ name: "KpkeysError", code }) as Error;

/** The names of a file: links, relative paths. */
function namesOf(file: string): string[] {
  symlinkSync(file, place("symbolic"));
  symlinkSync("symbolic", place("symbolic-twice"));
  linkSync(file, place("hard"));
  mkdirSync(place("folder"));
  const around = `${folder}/folder/../${file.slice(folder.length + 1)}`;
  return [file, place("symbolic"), place("symbolic-twice"), place("hard"), around, relative(process.cwd(), file)];
}

describe("an output is rejected that is", () => {
  test("an input by any name", () => {
    writeFileSync(place("input"), "precious");
    for (const name of namesOf(place("input"))) {
      expect(() => {
        rejectSameFile([name], ["other", place("input")]);
      }).toThrow(refusal("ERR_OUTPUT"));
      expect(() => {
        rejectSameFile([place("input")], [name]);
      }).toThrow(refusal("ERR_OUTPUT"));
    }
  });

  test.skipIf(!existsSync("/dev/fd"))("an input by its descriptor", () => {
    writeFileSync(place("input"), "precious");
    const descriptor = openSync(place("input"), "r");
    try {
      expect(() => {
        rejectSameFile([`/dev/fd/${descriptor}`], [place("input")]);
      }).toThrow(refusal("ERR_OUTPUT"));
      expect(() => {
        rejectSameFile([place("input")], [`/dev/fd/${descriptor}`]);
      }).toThrow(refusal("ERR_OUTPUT"));
    } finally {
      closeSync(descriptor);
    }
  });

  test("another output, whether it exists or not", () => {
    symlinkSync("nothing-yet", place("dangling"));
    for (const [one, other] of [
      ["new", "new"],
      ["nothing-yet", "dangling"],
    ] as const) {
      expect(() => {
        rejectSameFile([place(one), place(other)], []);
      }).toThrow(refusal("ERR_OUTPUT"));
    }
    rejectSameFile([place("new"), place("newer")], [place("absent")]);
  });

  test("not a device, which has no contents to lose", () => {
    rejectSameFile(["/dev/null", "/dev/null"], ["/dev/null"]);
  });
});

describe("an output", () => {
  test("is renamed when complete, and keeps mode and links", () => {
    writeFileSync(place("old"), "old", { mode: 0o600 });
    symlinkSync("old", place("link"));
    const output = createOutput(place("link"));
    writeFileSync(output.file, "new");
    expect(readFileSync(place("old"), "utf8")).toBe("old");
    output.commit();
    output.discard();
    expect(readFileSync(place("old"), "utf8")).toBe("new");
    expect(statSync(place("old")).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).sort()).toEqual(["link", "old"]);
  });

  test("with two writers is the whole file of the last one", () => {
    const outputs = [createOutput(place("shared")), createOutput(place("shared"))];
    outputs.forEach(({ file }, index) => {
      writeFileSync(file, String(index).repeat(1000));
    });
    outputs.forEach((output) => {
      output.commit();
    });
    expect(readFileSync(place("shared"), "utf8")).toBe("1".repeat(1000));
    expect(readdirSync(folder)).toEqual(["shared"]);
  });

  test("that is discarded leaves the old file", () => {
    writeFileSync(place("old"), "old");
    const output = createOutput(place("old"));
    writeFileSync(output.file, "half");
    output.discard();
    expect(readFileSync(place("old"), "utf8")).toBe("old");
    expect(readdirSync(folder)).toEqual(["old"]);
  });

  test("to a device is written directly", () => {
    writeOutput("/dev/null", "text");
    expect(statSync("/dev/null").isCharacterDevice()).toBe(true);
  });

  test.each([
    ["a folder", () => folder],
    ["in a folder that does not exist", () => place("nosuch/file")],
    ["in a folder that is a file", () => place("file/below")],
    ["a loop of links", () => place("loop")],
    ["with a name that is too long", () => place("n".repeat(256))],
    ["without a name", () => ""],
  ])("is rejected that is %s", (_, path) => {
    writeFileSync(place("file"), "");
    symlinkSync("loop", place("loop"));
    expect(() => createOutput(path())).toThrow(refusal("ERR_OUTPUT"));
    expect(() => {
      writeOutput(path(), "text");
    }).toThrow(refusal("ERR_OUTPUT"));
  });

  test.skipIf(process.getuid?.() === 0)("is rejected that may not be written", () => {
    writeFileSync(place("locked"), "", { mode: 0o400 });
    expect(() => createOutput(place("locked"))).toThrow(refusal("ERR_OUTPUT"));
    chmodSync(folder, 0o500);
    expect(() => createOutput(place("new"))).toThrow(refusal("ERR_OUTPUT"));
    chmodSync(folder, 0o700);
  });
});

describe("an input is rejected that is", () => {
  test.each([
    ["missing", "ERR_INPUT_MISSING", () => place("nosuch")],
    ["below a file", "ERR_INPUT_MISSING", () => place("file/below")],
    ["a loop of links", "ERR_INPUT_MISSING", () => place("loop")],
    ["with a name that is too long", "ERR_INPUT_MISSING", () => place("n".repeat(256))],
    ["a folder", "ERR_INPUT_KIND", () => folder],
    ["without an end", "ERR_INPUT_KIND", () => "/dev/zero"],
  ])("%s", (_, code, path) => {
    writeFileSync(place("file"), "");
    symlinkSync("loop", place("loop"));
    expect(() => readSmallText(path(), "a text")).toThrow(refusal(code));
  });
});
