import { addressText } from "@kpkeys/core";

/** A digest that is being made of 32-bit words, in their order. */
export interface Digest {
  /** Takes one more word. @param word - 32 bits */
  add(word: number): void;
  /** 16 hexadecimal digits. */
  text(): string;
}

/** Begins a digest. */
export function createDigest(): Digest {
  let a = 0x811c9dc5 | 0;
  let b = 0x9e3779b9 | 0;
  return {
    add(word) {
      a = Math.imul(a ^ word, 0x01000193);
      b = Math.imul(b ^ (word + a), 0x85ebca6b) ^ (b >>> 13);
    },
    text: () => addressText(a, b),
  };
}
