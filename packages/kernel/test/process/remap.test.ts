import { describe, expect, it } from "vitest";
import { BASE, Process, RW } from "../support/process.js";

function rightsOf(process: Process, page: number, pages: number): number[] {
  return Array.from({ length: pages }, (_, i) => process.spaces.protectionAt(process.mm, page + i));
}

describe("mremap", () => {
  it("moves each of several mappings by what lies in the range, also where the new place follows the old one", () => {
    const process = new Process();
    const { spaces, mm } = process;
    process.mmap(BASE, 1);
    process.mmap(BASE + 2, 2);
    expect(spaces.mremap(mm, BASE, 4, BASE + 4, 4)).toBe(0);
    expect(rightsOf(process, BASE, 9)).toEqual([-1, -1, -1, -1, RW, -1, RW, RW, -1]);
  });
});
