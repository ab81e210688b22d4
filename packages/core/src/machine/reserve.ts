/**
 * Reserves address space for an array that lives as long as its machine and is mostly untouched, such as an array with an entry for
 * each page frame. It reads as zero, and memory is used for written pages only. The buffer is shared memory, although no other
 * thread uses it: docs/performance.md, "Memory". A web page that is not cross-origin isolated has no shared memory and gets an ordinary
 * buffer.
 *
 * @param bytes - how many, at most 2^33
 * @returns a buffer for one typed array
 */
export function reserve(bytes: number): ArrayBuffer | SharedArrayBuffer {
  return typeof SharedArrayBuffer === "undefined" ? new ArrayBuffer(bytes) : new SharedArrayBuffer(bytes);
}
