// Structure-aware mutations: lines, words, numbers and brackets of a text, and cuts anywhere.
import { Buffer } from "node:buffer";

const NUMBERS = [
  ...["0", "-1", "1", "4095", "2147483647", "2147483648", "4294967296", "9007199254740993", "18446744073709551615"],
  ...[
    "0x0",
    "0xffffffffffffffff",
    "0x10000000000000000",
    "1e309",
    "NaN",
    "1.5",
    "",
    "9".repeat(400),
    "0x" + "f".repeat(300),
  ],
];
const WORDS = [
  "constructor",
  "__proto__",
  "toString",
  "hasOwnProperty",
  "null",
  "undefined",
  "\u001b[31m",
  "\u202e",
  "é",
  "\0",
];
const NUMBER = /0x[0-9a-f]+|\d+/gi;
const WORD = /[A-Za-z_][\w-]*/g;

/** Replaces one match of a pattern. */
function replaceOne(text, pattern, random, make) {
  const found = [...text.matchAll(pattern)];
  if (found.length === 0) return text;
  const { index, 0: word } = random.oneOf(found);
  return text.slice(0, index) + make(word) + text.slice(index + word.length);
}

/** Changes the list of lines. */
function onLines(text, change) {
  const lines = text.split("\n");
  change(lines);
  return lines.join("\n");
}

/** The longest text that a mutation gives, in characters. */
const LONGEST = 1 << 20;

/** Copies of a line or a word, as many as the longest text has room for: one may have a megabyte. */
function copiesOf(text, count) {
  return Array(Math.max(1, Math.min(count, Math.floor(LONGEST / (text.length + 1))))).fill(text);
}

const MUTATIONS = [
  (text, random) => replaceOne(text, NUMBER, random, () => random.oneOf(NUMBERS)),
  (text, random) => replaceOne(text, NUMBER, random, (word) => word + random.oneOf(NUMBERS)),
  (text, random) => replaceOne(text, WORD, random, () => random.oneOf(WORDS)),
  (text, random) => replaceOne(text, WORD, random, (word) => copiesOf(word, random.oneOf([2, 100, 3000])).join("")),
  (text, random) =>
    replaceOne(text, /[[\](){}<>"',:;=|-]/g, random, (mark) => random.oneOf(["", mark + mark, mark.repeat(2000), " "])),
  (text, random) =>
    replaceOne(text, /\s+/g, random, (gap) => random.oneOf(["", gap + gap, "\t", "\r\n", " ".repeat(5000)])),
  (text, random) =>
    replaceOne(text, /./gsu, random, () =>
      String.fromCodePoint(random.oneOf([random.below(256), random.below(0xd800)])),
    ),
  (text, random) => text.slice(0, random.below(text.length + 1)),
  (text, random) => text.slice(random.below(text.length + 1)),
  (text, random) => onLines(text, (lines) => lines.splice(random.below(lines.length), 1 + random.below(3))),
  (text, random) => onLines(text, (lines) => lines.splice(random.below(lines.length), 0, random.oneOf(lines))),
  (text, random) => onLines(text, (lines) => lines.push(lines.splice(random.below(lines.length), 1)[0])),
  (text) => onLines(text, (lines) => lines.reverse()),
  (text, random) =>
    onLines(text, (lines) =>
      lines.splice(random.below(lines.length), 0, ...copiesOf(random.oneOf(lines), random.oneOf([10, 3000]))),
    ),
  (text, random) => onLines(text, (lines) => lines.splice(random.below(lines.length), 2, lines.slice(0, 2).join(""))),
  (text, random) => replaceOne(text, /[\d"]+/g, random, (word) => "[".repeat(5000) + word + "]".repeat(5000)),
];

/** A text with one to six mutations, in some cases of two samples joined; some are only cut at any byte. */
export function mutate(samples, random) {
  let text = random.oneOf(samples);
  if (random.below(8) === 0) text += random.oneOf(samples);
  if (random.below(8) === 0) return Buffer.from(text).subarray(0, random.below(text.length + 1));
  for (let count = 1 + random.below(6); count > 0; count--)
    text = random.oneOf(MUTATIONS)(text, random).slice(0, LONGEST);
  return Buffer.from(text);
}

/** A smaller input that fails likewise: pieces are left out as long as it does. */
export async function shrink(input, failsLikewise) {
  // Well below what counts as a hang.
  const end = Date.now() + 3000;
  for (let size = input.length >> 1; size > 0 && Date.now() < end; size >>= 1) {
    for (let at = 0; at < input.length && Date.now() < end;) {
      const without = Buffer.concat([input.subarray(0, at), input.subarray(at + size)]);
      if (await failsLikewise(without)) input = without;
      else at += size;
    }
  }
  return input;
}
