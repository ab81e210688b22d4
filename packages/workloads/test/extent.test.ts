import { expect, test } from "vitest";
import { TraceEvent } from "../src/reader/event.js";
import { createExtent } from "../src/replay/extent.js";

function at(time: number): TraceEvent {
  const event = new TraceEvent();
  event.line = 7;
  event.time = time;
  return event;
}

test("an extent in time refuses an event without a time, and tells its line", () => {
  const extent = createExtent("t.txt", { seconds: 1 });
  expect(() => extent.takes(at(Number.NaN))).toThrow(
    expect.objectContaining({
      code: "ERR_TRACE_TIMES",
      message: expect.stringMatching(/^t\.txt:7: an event has no time/) as string,
    }),
  );
  expect(createExtent("t.txt", { events: 1 }).takes(at(Number.NaN))).toBe(true);
});

test("nothing belongs to an extent behind its end, even if a later event has an earlier time", () => {
  const extent = createExtent("t.txt", { seconds: 1 });
  expect([5e9, 6e9, 6e9 + 1, 5e9].map((time) => extent.takes(at(time)))).toEqual([true, true, false, false]);
  expect([extent.events, extent.enough(), extent.stopped]).toEqual([2, true, false]);
});

test("says what share of it is done, by what it is measured in", () => {
  const events = createExtent("t.txt", { events: 4 });
  events.takes(at(1));
  expect(events.share()).toBe(0.25);
  const seconds = createExtent("t.txt", { seconds: 2 });
  seconds.takes(at(1e9));
  seconds.takes(at(2.5e9));
  expect(seconds.share()).toBe(0.75);
  expect(createExtent("t.txt").share()).toBe(0);
});
