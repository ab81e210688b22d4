import { PbfWriter } from "pbf";

// Field numbers of Perfetto's trace format (protos/perfetto/trace: trace.proto, trace_packet.proto, track_event/track_event.proto,
// track_descriptor.proto, process_descriptor.proto, debug_annotation.proto). A trace is one message of packets alone, so traces
// that are written one behind the other are one trace:
//
//   Trace { packet* }
//   TracePacket { timestamp, sequence, one of track_event and track_descriptor }

const TRACE_PACKET = 1;
const Packet = { TIMESTAMP: 8, SEQUENCE_ID: 10, TRACK_EVENT: 11, SEQUENCE_FLAGS: 13, TRACK_DESCRIPTOR: 60 } as const;
const Descriptor = { UUID: 1, NAME: 2, PROCESS: 3, PARENT_UUID: 5, COUNTER: 8 } as const;
const Process = { PID: 1, NAME: 6 } as const;
const Event = { DEBUG_ANNOTATIONS: 4, TYPE: 9, TRACK_UUID: 11, NAME: 23, COUNTER_VALUE: 30 } as const;
const EventType = { SLICE_BEGIN: 1, SLICE_END: 2, INSTANT: 3, COUNTER: 4 } as const;
const Annotation = { STRING_VALUE: 6, NAME: 10 } as const;

/** SEQ_INCREMENTAL_STATE_CLEARED: nothing of this sequence comes before. */
const SEQUENCE_BEGINS = 1;

/** Bytes that are collected before they are handed on. */
const CHUNK = 256 << 10;

/** What a track holds. */
export interface TrackOptions {
  /** The track that it belongs to. */
  readonly parent: number;
  /** What it is called. */
  readonly name: string;
  /** Whether it holds values instead of slices. */
  readonly counter?: boolean;
}

/** Writes the packets of one sequence; times are in nanoseconds, tracks are numbers that are their own in the whole trace. */
export interface TrackEvents {
  /** Declares a track that others belong to. */
  process(track: number, pid: number, name: string): void;
  /** Declares a track. */
  track(track: number, options: TrackOptions): void;
  /** Begins a slice. */
  begin(track: number, time: number, name: string): void;
  /** Ends the slice of a track that was begun last. */
  end(track: number, time: number): void;
  /** Tells of a moment, with a text about it. */
  instant(track: number, time: number, name: string, about: string, text: string): void;
  /** Gives a counter a value: a whole number, exact below 2^53. */
  counter(track: number, time: number, value: number): void;
  /** Hands on what was collected. */
  flush(): void;
}

/** A packet that is written; one record for all. */
interface Moment {
  time: number;
  type: number;
  track: number;
  name: string;
  about: string;
  text: string;
  value: number;
}

/**
 * @param sequence - number of the sequence, 1 or more, of its own in the whole trace
 * @param write - takes whole packets, valid during the call
 */
export function createTrackEvents(sequence: number, write: (packets: Uint8Array) => void): TrackEvents {
  const pbf = new PbfWriter(new Uint8Array(2 * CHUNK));
  const moment: Moment = { time: 0, type: 0, track: 0, name: "", about: "", text: "", value: 0 };
  let begun = false;

  function flush(): void {
    if (pbf.pos === 0) return;
    write(pbf.buf.subarray(0, pbf.pos));
    pbf.pos = 0;
  }

  function descriptor(options: DescriptorOptions): void {
    pbf.writeMessage(
      TRACE_PACKET,
      (_, packet) => {
        packet.writeVarintField(Packet.SEQUENCE_ID, sequence);
        if (!begun) packet.writeVarintField(Packet.SEQUENCE_FLAGS, SEQUENCE_BEGINS);
        packet.writeMessage(Packet.TRACK_DESCRIPTOR, writeDescriptor, options);
      },
      options,
    );
    begun = true;
  }

  function writePacket(of: Moment, packet: PbfWriter): void {
    packet.writeVarintField(Packet.TIMESTAMP, of.time);
    packet.writeVarintField(Packet.SEQUENCE_ID, sequence);
    packet.writeMessage(Packet.TRACK_EVENT, writeEvent, of);
  }

  function put(type: number, track: number, time: number): void {
    moment.type = type;
    moment.track = track;
    moment.time = time;
    pbf.writeMessage(TRACE_PACKET, writePacket, moment);
    if (pbf.pos >= CHUNK) flush();
  }

  return {
    process(track, pid, name) {
      descriptor({ track, pid, name });
    },
    track(track, options) {
      descriptor({ track, ...options });
    },
    begin(track, time, name) {
      moment.name = name;
      put(EventType.SLICE_BEGIN, track, time);
    },
    end(track, time) {
      put(EventType.SLICE_END, track, time);
    },
    instant(track, time, name, about, text) {
      moment.name = name;
      moment.about = about;
      moment.text = text;
      put(EventType.INSTANT, track, time);
    },
    counter(track, time, value) {
      moment.value = value;
      put(EventType.COUNTER, track, time);
    },
    flush,
  };
}

interface DescriptorOptions extends Partial<TrackOptions> {
  readonly track: number;
  readonly name: string;
  readonly pid?: number;
}

function writeDescriptor({ track, parent, name, pid, counter = false }: DescriptorOptions, pbf: PbfWriter): void {
  pbf.writeVarintField(Descriptor.UUID, track);
  if (parent !== undefined) pbf.writeVarintField(Descriptor.PARENT_UUID, parent);
  writeText(Descriptor.NAME, name, pbf);
  if (pid !== undefined) pbf.writeMessage(Descriptor.PROCESS, writeProcess, { pid, name });
  if (counter) pbf.writeMessage(Descriptor.COUNTER, () => undefined, undefined);
}

function writeProcess({ pid, name }: { readonly pid: number; readonly name: string }, pbf: PbfWriter): void {
  pbf.writeVarintField(Process.PID, pid);
  writeText(Process.NAME, name, pbf);
}

function writeEvent({ type, track, name, value, about, text }: Moment, pbf: PbfWriter): void {
  pbf.writeVarintField(Event.TYPE, type);
  pbf.writeVarintField(Event.TRACK_UUID, track);
  if (type === EventType.COUNTER) pbf.writeVarintField(Event.COUNTER_VALUE, value);
  else if (type !== EventType.SLICE_END) writeText(Event.NAME, name, pbf);
  if (type === EventType.INSTANT) pbf.writeMessage(Event.DEBUG_ANNOTATIONS, writeAnnotation, { about, text });
}

function writeAnnotation({ about, text }: { readonly about: string; readonly text: string }, pbf: PbfWriter): void {
  writeText(Annotation.NAME, about, pbf);
  writeText(Annotation.STRING_VALUE, text, pbf);
}

const encoder = new TextEncoder();

/** A string. The library's own way of writing one errs beyond U+1FFFF. */
function writeText(field: number, text: string, pbf: PbfWriter): void {
  pbf.writeBytesField(field, encoder.encode(text));
}
