import { Timeline } from "./timeline.js";
import { TraceOut } from "./trace-out.js";
import { TrackEvents } from "./track-events.js";

/** The file of a job's timeline. */
export interface TimelineOptions {
  /** The file, which exists. All jobs append to it. */
  readonly file: string;
  /** Its name in errors. */
  readonly path: string;
  /** The index of the job, from 0 on. */
  readonly place: number;
}

/**
 * Creates a timeline that is appended to a file.
 * @param options - the file, and the index of the job
 * @param name - the name of the machine
 * @throws KpkeysError ERR_OUTPUT, now and at every later write
 */
export function createFileTimeline({ file, path, place }: TimelineOptions, name: string): Timeline {
  const out = new TraceOut(file, path);
  const events = new TrackEvents(place + 1, (packets) => {
    out.append(packets);
  });
  return new Timeline(name, place, events, () => {
    out.close();
  });
}
