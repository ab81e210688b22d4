import type { Errno } from "./errno.js";
import type { Pfn, Pkey } from "./numbers.js";
import type { AttributeChange } from "./page-table-format.js";
import type { Words } from "./pkey-register.js";
import { token } from "./token.js";
import type { Token } from "./token.js";

/**
 * The keys of physical frames, on an architecture that keeps no key in its entries: the storage keys of s390. Every mapping of a frame has
 * the frame's key. An architecture whose {@link PageTableFormat} has no `entryKeys` registers it, with `frameKeys` of `registerArch`.
 *
 * A CPU reads the key of a frame when it fills a TLB entry, and the entry keeps that key: after {@link set}, translations in a TLB have the
 * old key until {@link invalidate}.
 *
 * ```text
 *   virtual page ──> leaf ──> frame ──> key of the frame ──> field of the key register
 *   another page ──> leaf ──────┘
 * ```
 */
export interface FrameKeys {
  /**
   * The key of a frame: ISKE.
   * @param pfn - page-frame number
   * @returns the key, 0 until it is set
   */
  get(pfn: Pfn): Pkey;
  /**
   * Sets the key of a frame: SSKE. Changes no entry.
   * @param pfn - page-frame number, in RAM
   * @param pkey - 0 to the register's number of keys minus 1
   */
  set(pfn: Pfn, pkey: Pkey): void;
  /**
   * Drops the translations to a run of frames from the TLBs of all CPUs, so that the next access through each mapping reads the key.
   * @param pfn - first page-frame number
   * @param pages - number of frames, at least 1
   */
  invalidate(pfn: Pfn, pages: number): void;
}

/** Token of {@link FrameKeys}. */
export const FrameKeys: Token<FrameKeys> = token("FrameKeys");

/** A run of consecutive frames. */
export interface FrameRun {
  /** First page-frame number, in RAM. */
  readonly pfn: Pfn;
  /** Number of frames. */
  readonly pages: number;
}

/**
 * The keys of pages, which the architecture keeps in leaves or with frames. `registerArch` registers it. Code that reads or sets
 * the key of a page uses it, and does not depend on the place of the key.
 */
export interface PageKeys {
  /**
   * The key of a page of a leaf.
   * @param high - bits 63 to 32 of the leaf
   * @param low - bits 31 to 0
   * @param page - index of the page in the leaf, 0 being the first
   */
  ofLeaf(high: number, low: number, page: number): Pkey;
  /**
   * The key in an entry, which is that of all pages of a leaf.
   * @param high - bits 63 to 32 of the leaf
   * @param low - bits 31 to 0
   * @returns the key; `undefined` if keys are kept with frames
   */
  ofEntry(high: number, low: number): Pkey | undefined;
  /**
   * The key of a frame, which is that of all its mappings.
   * @param pfn - page-frame number
   * @returns the key; `undefined` if keys are kept in entries
   */
  ofFrame(pfn: Pfn): Pkey | undefined;
  /**
   * Sets the key of pages in one of their mappings, or the key of their frames. The keys of a run of frames are set and then invalidated.
   * @param frames - the frames of the pages
   * @param pkey - 0 to the register's number of keys minus 1
   * @param changeEntries - changes the leaves of the mapping and invalidates their translations; not called if keys are kept with frames
   * @returns 0, or the errno of `changeEntries`
   */
  set(frames: readonly FrameRun[], pkey: Pkey, changeEntries: (change: AttributeChange) => 0 | Errno): 0 | Errno;
  /**
   * A leaf with a key in its entry.
   * @param leaf - the leaf
   * @param pkey - 0 to the register's number of keys minus 1
   * @returns the changed leaf; unchanged if keys are kept with frames
   */
  withKey(leaf: Words, pkey: Pkey): Words;
}

/** Token of {@link PageKeys}. */
export const PageKeys: Token<PageKeys> = token("PageKeys");
