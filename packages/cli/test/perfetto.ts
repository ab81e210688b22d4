import { readFileSync } from "node:fs";
import protobuf from "protobufjs";

/** A packet, decoded by another library than the one that wrote it. */
export interface Packet {
  readonly timestamp?: number;
  readonly trustedPacketSequenceId: number;
  readonly sequenceFlags?: number;
  readonly trackEvent?: {
    readonly type: "TYPE_SLICE_BEGIN" | "TYPE_SLICE_END" | "TYPE_INSTANT" | "TYPE_COUNTER";
    readonly trackUuid: number;
    readonly name?: string;
    readonly counterValue?: number;
    readonly debugAnnotations?: readonly { readonly name: string; readonly stringValue: string }[];
  };
  readonly trackDescriptor?: {
    readonly uuid: number;
    readonly name: string;
    readonly parentUuid?: number;
    readonly process?: { readonly pid: number; readonly processName: string };
    readonly counter?: object;
  };
}

const { root } = protobuf.parse(readFileSync(new URL("perfetto.proto", import.meta.url), "utf8"));
const Trace = root.lookupType("Trace");

/** Decodes a trace. Throws if it has bytes that the schema does not cover. */
export function packetsOf(bytes: Uint8Array): readonly Packet[] {
  const trace = Trace.decode(bytes);
  const known = Trace.encode(trace).finish().length;
  if (known !== bytes.length) throw new Error(`the schema does not cover ${bytes.length - known} bytes of the trace`);
  return (Trace.toObject(trace, { longs: Number, enums: String }) as { packet: Packet[] }).packet;
}

/** The tracks and events of one machine. */
export interface Read {
  /** Tracks by number. */
  readonly tracks: ReadonlyMap<number, Required<Packet>["trackDescriptor"]>;
  /** Events in their order. */
  readonly events: readonly (Required<Packet>["trackEvent"] & { readonly time: number })[];
}

/**
 * Decodes the packets of each sequence, and throws at the first packet that breaks a rule of the format: a track is declared once, by one
 * sequence, before it is used; time does not go back; slices nest and all end; counters have values and other tracks have none.
 */
export function machinesOf(packets: readonly Packet[]): readonly Read[] {
  const sequences = new Map<number, Packet[]>();
  for (const packet of packets) {
    const list = sequences.get(packet.trustedPacketSequenceId) ?? [];
    sequences.set(packet.trustedPacketSequenceId, list);
    list.push(packet);
  }
  const declared = new Set<number>();
  return [...sequences.entries()].sort(([a], [b]) => a - b).map(([, list]) => readOne(list, declared));
}

function readOne(packets: readonly Packet[], declared: Set<number>): Read {
  const tracks = new Map<number, Required<Packet>["trackDescriptor"]>();
  const events: Read["events"][number][] = [];
  const open = new Map<number, string[]>();
  let last = -1;
  packets.forEach(({ timestamp, sequenceFlags, trackEvent, trackDescriptor }, index) => {
    must((sequenceFlags === 1) === (index === 0), "a sequence begins once, with its first packet");
    if (trackDescriptor !== undefined) {
      const { uuid, parentUuid } = trackDescriptor;
      must(uuid !== 0 && !declared.has(uuid), `track ${uuid} is declared once`);
      must(parentUuid === undefined || tracks.has(parentUuid), `the parent of ${uuid} is declared before it`);
      declared.add(uuid);
      tracks.set(uuid, trackDescriptor);
    }
    if (trackEvent === undefined) return;
    const { type, trackUuid, name, counterValue } = trackEvent;
    const track = tracks.get(trackUuid);
    must(track !== undefined, `track ${trackUuid} is declared before its first event`);
    must(timestamp !== undefined && timestamp > last, `time goes on: ${last}, then ${timestamp}`);
    must(
      (type === "TYPE_COUNTER") === (track?.counter !== undefined),
      `${track?.name}: counters hold values, and nothing else does`,
    );
    must((counterValue !== undefined) === (type === "TYPE_COUNTER"), "a value belongs to a counter");
    const stack = open.get(trackUuid) ?? [];
    open.set(trackUuid, stack);
    if (type === "TYPE_SLICE_BEGIN") stack.push(name!);
    if (type === "TYPE_SLICE_END") must(stack.pop() !== undefined, `${track?.name}: a slice ends that has begun`);
    last = timestamp!;
    events.push({ ...trackEvent, time: timestamp! });
  });
  for (const [track, stack] of open) must(stack.length === 0, `track ${track}: '${String(stack.at(-1))}' has ended`);
  return { tracks, events };
}

function must(holds: boolean, rule: string): void {
  if (!holds) throw new Error(`the trace breaks a rule: ${rule}`);
}
