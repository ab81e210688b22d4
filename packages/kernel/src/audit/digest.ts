import { addressText } from "@kpkeys/core";

/** A 64-bit digest of a sequence of 32-bit words. */
export class Digest {
  private a = 0x811c9dc5 | 0;
  private b = 0x9e3779b9 | 0;

  /** Adds a word. @param word - 32 bits */
  add(word: number): void {
    this.a = Math.imul(this.a ^ word, 0x01000193);
    this.b = Math.imul(this.b ^ (word + this.a), 0x85ebca6b) ^ (this.b >>> 13);
  }

  /** The digest in 16 hexadecimal digits. */
  text(): string {
    return addressText(this.a, this.b);
  }
}
