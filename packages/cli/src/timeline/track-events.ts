import { PbfWriter } from "pbf";

// Field numbers of Perfetto's trace format (protos/perfetto/trace: trace.proto, trace_packet.proto, track_event/track_event.proto,
// track_descriptor.proto, process_descriptor.proto, debug_annotation.proto). A trace is one message of packets, so
// concatenated traces are one trace:
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

/** SEQ_INCREMENTAL_STATE_CLEARED: the first packet of a sequence. */
const SEQUENCE_BEGINS = 1;

/** Bytes that are buffered before they are written. */
const CHUNK = 256 << 10;

/** The description of a track. */
export interface TrackOptions {
  /** The parent track. */
  readonly parent: number;
  /** Its name. */
  readonly name: string;
  /** Whether it is a counter instead of a track of slices. */
  readonly counter?: boolean;
}

/** The packet that is written; one object is reused for all. */
interface Moment {
  time: number;
  type: number;
  track: number;
  name: string;
  about: string;
  text: string;
  value: number;
}

/** Writes the packets of one sequence. Times are in nanoseconds; track numbers are unique in the whole trace. */
export class TrackEvents {
  private readonly pbf = new PbfWriter(new Uint8Array(2 * CHUNK));
  private readonly moment: Moment = { time: 0, type: 0, track: 0, name: "", about: "", text: "", value: 0 };
  private hasBegun = false;
  private readonly writePacket = (moment: Moment, packet: PbfWriter): void => {
    packet.writeVarintField(Packet.TIMESTAMP, moment.time);
    packet.writeVarintField(Packet.SEQUENCE_ID, this.sequence);
    packet.writeMessage(Packet.TRACK_EVENT, writeEvent, moment);
  };

  /**
   * @param sequence - number of the sequence, 1 or more, unique in the whole trace
   * @param write - receives whole packets, which are valid during the call
   */
  constructor(
    private readonly sequence: number,
    private readonly write: (packets: Uint8Array) => void,
  ) {}

  /** Declares a process, which is the parent of other tracks. */
  process(track: number, pid: number, name: string): void {
    this.describe({ track, pid, name });
  }

  /** Declares a track. */
  track(track: number, options: TrackOptions): void {
    this.describe({ track, ...options });
  }

  /** Begins a slice. */
  begin(track: number, time: number, name: string): void {
    this.moment.name = name;
    this.put(EventType.SLICE_BEGIN, track, time);
  }

  /** Ends the innermost slice of a track. */
  end(track: number, time: number): void {
    this.put(EventType.SLICE_END, track, time);
  }

  /** Writes an instant with an annotation: its name and its text. */
  instant(track: number, time: number, name: string, about: string, text: string): void {
    this.moment.name = name;
    this.moment.about = about;
    this.moment.text = text;
    this.put(EventType.INSTANT, track, time);
  }

  /** Sets a counter to a whole number, exact below 2^53. */
  counter(track: number, time: number, value: number): void {
    this.moment.value = value;
    this.put(EventType.COUNTER, track, time);
  }

  /** Writes the buffered packets. */
  flush(): void {
    if (this.pbf.pos === 0) return;
    this.write(this.pbf.buf.subarray(0, this.pbf.pos));
    this.pbf.pos = 0;
  }

  private describe(options: DescriptorOptions): void {
    this.pbf.writeMessage(
      TRACE_PACKET,
      (_, packet) => {
        packet.writeVarintField(Packet.SEQUENCE_ID, this.sequence);
        if (!this.hasBegun) packet.writeVarintField(Packet.SEQUENCE_FLAGS, SEQUENCE_BEGINS);
        packet.writeMessage(Packet.TRACK_DESCRIPTOR, writeDescriptor, options);
      },
      options,
    );
    this.hasBegun = true;
  }

  private put(type: number, track: number, time: number): void {
    this.moment.type = type;
    this.moment.track = track;
    this.moment.time = time;
    this.pbf.writeMessage(TRACE_PACKET, this.writePacket, this.moment);
    if (this.pbf.pos >= CHUNK) this.flush();
  }
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

/** Writes a string. pbf encodes characters above U+1FFFF wrongly. */
function writeText(field: number, text: string, pbf: PbfWriter): void {
  pbf.writeBytesField(field, encoder.encode(text));
}
