import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { embeddedTrace, readVmpte } from "../src/node/index.js";
import { sharedTrace } from "./perf-script-oracle.js";

const folder = mkdtempSync(join(tmpdir(), "kpkeys-vmpte-"));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function written(text: string): string {
  const path = join(folder, "workload.vmpte.txt");
  writeFileSync(path, text);
  return path;
}

describe("a VmPTE file", () => {
  it.each([embeddedTrace.vmpte, sharedTrace("lua-build.vmpte.txt") ?? embeddedTrace.vmpte])(
    "is read completely: %s",
    (path) => {
      const lines = readVmpte(path).map(({ pid, ppid, name, vmpteKb, vmrssKb, minorFaults }) =>
        [pid, ppid, name, vmpteKb, vmrssKb, minorFaults].join(" "),
      );
      expect(`${lines.join("\n")}\n`).toBe(readFileSync(path, "utf8"));
    },
  );

  it("may have names with spaces and digits, blank lines, carriage returns and no last newline", () => {
    const records = readVmpte(written("21 1 Web Content 2 120 23400 1329\r\n\n22 1 7 8 16 9"));
    expect(records.map(({ name }) => name)).toEqual(["Web Content 2", "7"]);
    expect(records[0]).toEqual({
      pid: 21,
      ppid: 1,
      name: "Web Content 2",
      vmpteKb: 120,
      vmrssKb: 23400,
      minorFaults: 1329,
    });
  });

  it.each(["1 2 cc1 4 5", "1 2 cc1 4 5 x", "one 2 cc1 4 5 6", "1 2 cc1 4 5 -6", "\u001b[2J"])(
    "with the line %j is an error at that line",
    (line) => {
      const path = written(`1 2 cc1 4 5 6\n${line}\n`);
      expect(() => readVmpte(path)).toThrow(
        expect.objectContaining({ code: "ERR_VMPTE_LINE", where: `${path}:2` }) as Error,
      );
    },
  );

  it("must not be empty, missing or a directory", () => {
    expect(() => readVmpte(written(""))).toThrow(expect.objectContaining({ code: "ERR_VMPTE_LINE" }));
    expect(() => readVmpte(join(folder, "nowhere"))).toThrow(expect.objectContaining({ code: "ERR_INPUT_MISSING" }));
    expect(() => readVmpte(folder)).toThrow(expect.objectContaining({ code: "ERR_INPUT_KIND" }));
  });
});
