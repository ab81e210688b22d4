import { Timeline } from "./timeline.js";
import { openTraceOut } from "./trace-out.js";
import { createTrackEvents } from "./track-events.js";

/** Where a job writes its timeline. */
export interface TimelineOptions {
  /** The file, which is there; all jobs add to it. */
  readonly file: string;
  /** What the user calls it, for errors. */
  readonly path: string;
  /** The job's place among them, from 0 on. */
  readonly place: number;
}

/**
 * Makes a timeline that is written to a file, behind what other machines write there.
 * @param options - which file, and the machine's place
 * @param name - of the machine
 * @throws KpkeysError ERR_OUTPUT, here and at any moment that is written
 */
export function createFileTimeline({ file, path, place }: TimelineOptions, name: string): Timeline {
  const out = openTraceOut(file, path);
  const events = createTrackEvents(place + 1, (packets) => {
    out.append(packets);
  });
  return new Timeline(name, place, events, () => {
    out.close();
  });
}
