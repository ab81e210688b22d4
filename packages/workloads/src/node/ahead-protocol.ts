import { type ErrorCode } from "@kpkeys/core";
import { type TraceSummary } from "../reader/trace-reader.js";

/** Maximum number of batches in flight: how far the reader may be ahead of the receiver. */
export const BATCHES = 8;

/** Index in {@link ReaderData.control}: the number of batches that the receiver has consumed. */
export const DELIVERED = 0;
/** Index in {@link ReaderData.control}: 1 when the receiver needs no more events. */
export const STOPPED = 1;

/** The start data of a reader thread. */
export interface ReaderData {
  /** Two words shared by both threads. */
  readonly control: Int32Array;
  /** Memory of the batches, which are filled in turn. */
  readonly buffers: readonly SharedArrayBuffer[];
}

/** The message to a reader thread. */
export interface ReadOrder {
  /** The file to read. */
  readonly path: string;
}

/** The messages of a reader thread. */
export type ReaderMessage =
  | {
      /** The next batch is ready: its records, the bytes of the file read so far, and the file's size in bytes. */
      readonly batch: readonly [count: number, consumed: number, size: number];
    }
  | {
      /** The file was read to its end. */
      readonly summary: TraceSummary;
    }
  | {
      /** The file cannot be read to its end. */
      readonly error: { readonly code: ErrorCode; readonly message: string; readonly where: string | undefined };
    };
