import fc from "fast-check";
import { expect, test } from "vitest";
import { TrackEvents } from "../src/timeline/track-events.js";
import { machinesOf, packetsOf } from "./perfetto.js";

test("another library decodes the same packets with the documented field numbers", () => {
  const text = fc.string({ unit: "grapheme", maxLength: 200 });
  const whole = fc.maxSafeNat();
  const track = fc.maxSafeNat();
  const event = fc.oneof(
    fc.record({ type: fc.constant("TYPE_SLICE_BEGIN" as const), time: whole, track, name: text }),
    fc.record({ type: fc.constant("TYPE_SLICE_END" as const), time: whole, track }),
    fc.record({ type: fc.constant("TYPE_INSTANT" as const), time: whole, track, name: text, about: text, text }),
    fc.record({ type: fc.constant("TYPE_COUNTER" as const), time: whole, track, value: whole }),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 31 }), fc.array(event), (sequence, events) => {
      const chunks: Uint8Array[] = [];
      const out = new TrackEvents(sequence, (packets) => chunks.push(packets.slice()));
      out.process(1, 2, "a machine");
      out.track(3, { parent: 1, name: "a counter", counter: true });
      for (const each of events) {
        const { type, time, track: on } = each;
        if (type === "TYPE_SLICE_BEGIN") out.begin(on, time, each.name);
        else if (type === "TYPE_SLICE_END") out.end(on, time);
        else if (type === "TYPE_INSTANT") out.instant(on, time, each.name, each.about, each.text);
        else out.counter(on, time, each.value);
      }
      out.flush();
      const [machine, counter, ...rest] = packetsOf(Buffer.concat(chunks));
      const process = { pid: 2, processName: "a machine" };
      expect(machine).toEqual({
        trustedPacketSequenceId: sequence,
        sequenceFlags: 1,
        trackDescriptor: { uuid: 1, name: "a machine", process },
      });
      expect(counter).toEqual({
        trustedPacketSequenceId: sequence,
        trackDescriptor: { uuid: 3, name: "a counter", parentUuid: 1, counter: {} },
      });
      expect(rest).toEqual(
        events.map((each) => ({
          timestamp: each.time,
          trustedPacketSequenceId: sequence,
          trackEvent: {
            type: each.type,
            trackUuid: each.track,
            ...("name" in each && { name: each.name }),
            ...("value" in each && { counterValue: each.value }),
            ...("about" in each && { debugAnnotations: [{ name: each.about, stringValue: each.text }] }),
          },
        })),
      );
    }),
    { numRuns: 200 },
  );
});

test("packets are written whole, in chunks of a quarter of a mebibyte", () => {
  const sizes: number[] = [];
  let packets = 0;
  const out = new TrackEvents(1, (chunk) => {
    sizes.push(chunk.length);
    packets += packetsOf(chunk).length;
  });
  out.process(1, 1, "a machine");
  for (let time = 0; time < 100_000; time++) out.begin(1, time, "a slice");
  out.flush();
  expect(packets).toBe(100_001);
  expect(sizes.length).toBeGreaterThan(8);
  for (const size of sizes) expect(size).toBeLessThan((256 << 10) + 100);
});

const BROKEN: readonly (readonly [string, (out: TrackEvents) => void])[] = [
  [
    "an undeclared track",
    (out) => {
      out.begin(9, 1, "x");
    },
  ],
  [
    "a slice that does not end",
    (out) => {
      out.begin(1, 1, "x");
    },
  ],
  [
    "an end without a slice",
    (out) => {
      out.end(1, 1);
    },
  ],
  [
    "time that goes back",
    (out) => {
      out.begin(1, 2, "x");
      out.end(1, 1);
    },
  ],
  [
    "a track declared twice",
    (out) => {
      out.process(1, 1, "again");
    },
  ],
  [
    "a value on a track of slices",
    (out) => {
      out.counter(1, 1, 5);
    },
  ],
];

test.each(BROKEN)("the rules of timelines reject %s", (_, write) => {
  const chunks: Uint8Array[] = [];
  const out = new TrackEvents(1, (packets) => chunks.push(packets.slice()));
  out.process(1, 1, "a machine");
  write(out);
  out.flush();
  expect(() => machinesOf(packetsOf(Buffer.concat(chunks)))).toThrow(/breaks a rule/);
});
