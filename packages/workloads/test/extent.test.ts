import { expect, test } from "vitest";
import { TraceEvent } from "../src/reader/event.js";
import { Extent } from "../src/replay/extent.js";

function at(time: number): TraceEvent {
  const event = new TraceEvent();
  event.line = 7;
  event.time = time;
  return event;
}

test("an event without a time is an error for an extent in seconds", () => {
  const extent = new Extent("t.txt", { seconds: 1 });
  expect(() => extent.includes(at(Number.NaN))).toThrow(
    expect.objectContaining({ code: "ERR_TRACE_TIMES", where: "t.txt:7" }),
  );
  expect(new Extent("t.txt", { events: 1 }).includes(at(Number.NaN))).toBe(true);
});

test("no event is included after the end of an extent, even if it has an earlier time", () => {
  const extent = new Extent("t.txt", { seconds: 1 });
  expect([5e9, 6e9, 6e9 + 1, 5e9].map((time) => extent.includes(at(time)))).toEqual([true, true, false, false]);
  expect([extent.events, extent.enough(), extent.stopped]).toEqual([2, true, false]);
});

test("the share of an extent that is done is in its own unit", () => {
  const events = new Extent("t.txt", { events: 4 });
  events.includes(at(1));
  expect(events.share()).toBe(0.25);
  const seconds = new Extent("t.txt", { seconds: 2 });
  seconds.includes(at(1e9));
  seconds.includes(at(2.5e9));
  expect(seconds.share()).toBe(0.75);
  expect(new Extent("t.txt").share()).toBe(0);
});
