import { describe, expect, it } from "vitest";
import { eventNames } from "../../src/index.js";
import { readTrace } from "../../src/node/index.js";
import { agreesWithOracle, countNames, sharedTrace, unpack } from "../perf-script-oracle.js";

describe("perf script text", () => {
  const luaBuild = sharedTrace("lua-build.perf-script.txt.gz");
  it.skipIf(luaBuild === undefined)(
    "of lua-build (needs ../shared/traces): all 176,996 events are read correctly",
    async () => {
      expect(await agreesWithOracle(luaBuild!)).toBe(176_996);
    },
  );

  it.skipIf(luaBuild === undefined)("gives the number of events of each name in the text of lua-build", async () => {
    const counts: Record<string, number> = {};
    await readTrace(luaBuild!, ({ kind }) => {
      counts[eventNames[kind]!] = (counts[eventNames[kind]!] ?? 0) + 1;
    });
    expect(counts).toEqual(countNames(unpack(luaBuild!)));
  });
});
