import { type ErrorCode } from "@kpkeys/core";
import { type TraceSummary } from "../reader/trace-reader.js";

/** How many batches may be under way: as far as reading gets ahead. */
export const BATCHES = 8;

/** Word of {@link ReaderData.control}: how many batches were taken. */
export const TAKEN = 0;
/** Word of {@link ReaderData.control}: 1 when no more events are wanted. */
export const STOPPED = 1;

/** What a reading thread is started with. */
export interface ReaderData {
  /** Two words that both threads look at. */
  readonly control: Int32Array;
  /** Memory of the batches, which are filled in turn. */
  readonly buffers: readonly SharedArrayBuffer[];
}

/** What is told to a reading thread: the file to read now. */
export interface ReadOrder {
  /** The file. */
  readonly path: string;
}

/** What a reading thread tells. */
export type ReaderMessage =
  | {
      /** The next batch is full: how many records it has, how far the file was read, and the file's size in bytes. */
      readonly batch: readonly [count: number, consumed: number, size: number];
    }
  | {
      /** The file was read. */
      readonly summary: TraceSummary;
    }
  | {
      /** The file could not be read, or not to its end. */
      readonly error: { readonly code: ErrorCode; readonly message: string; readonly where: string | undefined };
    };
