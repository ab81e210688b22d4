/**
 * Reserves address space for an array that lives as long as its machine, is as large, and mostly never touched, such as one with an
 * entry for each page frame. Zeroes; memory is used only as they are written.
 *
 * It is shared memory, though nobody shares it: V8 counts an ordinary array in full as memory that a collection might give back, used or
 * not, and a heap that seems full is collected again and again, at worst while the process wants to end (Node.js 20 then waits forever).
 *
 * @param bytes - how many, at most 2^33
 * @returns a buffer for one typed array
 */
export function reserve(bytes: number): SharedArrayBuffer {
  return new SharedArrayBuffer(bytes);
}
