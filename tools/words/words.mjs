// The words that this project does not use, by rule, each with its replacement. A word is the source of a regular expression that
// begins with a letter; the letter also matches as a capital, at the start of a name or inside camelCase. A space also matches
// the end of a line with the next line's comment mark.

/** @typedef {{ readonly words: readonly string[], readonly use: string }} Entry */

/** @type {Readonly<Record<string, readonly Entry[]>>} */
export const WORDS = {
  // Code has callers, features and CPUs, not persons.
  person: [
    {
      words: ["who", "whom", "whoever", "anybody", "anyone", "somebody", "someone"],
      use: "the caller, the feature, the reader",
    },
    { words: ["nobody", "no one", "everybody", "everyone"], use: "no caller, no feature; every caller" },
    { words: ["wants", "believes", "forgives", "forgive"], use: "needs, expects, ignores" },
  ],
  speech: [
    { words: ["told", "tell", "tells", "telling"], use: "notify, report, print, pass" },
    { words: ["hear", "hears", "heard"], use: "receive, is notified" },
    { words: ["say", "says", "said", "saying"], use: "print, report, state, describe" },
  ],
  place: [
    { words: ["stands?(?! for)", "stood", "lies?"], use: "is, is stored, is mapped, starts at" },
    { words: ["beside"], use: "next to, besides, with" },
    { words: ["behind"], use: "after, above, past the end of" },
    { words: ["come along", "comes along", "came along", "coming along"], use: "is bundled, is included" },
  ],
  own: [{ words: ["of its own", "of their own", "of one's own", "of your own"], use: "its own, their own, separate" }],
  ever: [
    { words: ["whatever", "whichever"], use: "any, every, for every value of" },
    { words: ["wherever"], use: "where, everywhere" },
  ],
  idiom: [
    { words: ["mend", "mends", "mended", "mending"], use: "fix, fixed" },
    {
      words: ["take", "takes", "took", "taken", "give", "gives", "gave", "given"].map((verb) => `${verb} back`),
      use: "revoke, evict, roll back; free, return",
    },
    { words: ["as a rule", "usual", "usually"], use: "common case, ordinary, normally" },
    {
      words: ["look closely", "looks closely", "looked at closely", "close look"],
      use: "fast path, full check, full walk",
    },
    { words: ["now and then", "here and there"], use: "sampled, every n events; in places" },
    { words: ["the other way round", "the other way around"], use: "inverted, in reverse order" },
    { words: ["none too", "be it", "goes without", "go without"], use: "a verb that is not negated" },
    { words: ["hold against", "holds against", "held against", "hold it against"], use: "compare with" },
  ],
  name: [
    { words: ["laboratory", "laboratories"], use: "kpkeys, the model, the simulator" },
    { words: ["lazy section", "lazy sections"], use: "lazy MMU section" },
    { words: ["expected that in"], use: "register it in the plugin's setup()" },
  ],
};

/**
 * Sentences without a subject: a comment, a tag's description or a sentence of a document that opens with "what" or "who" in
 * place of the noun, and the aphorism "what is X is Y; what is not is Z".
 */
export const RIDDLES = [
  { pattern: /(?:\/\*\*|\/\/|^ *\*) *(?=(?:What|Who|Whose) (?!if\b)[^?\n]*$)/gm, use: "open with the noun" },
  { pattern: /(?:@returns|@param \S+ -) +(?=(?:what|who|whose) )/g, use: "open with the noun" },
  {
    pattern: /\bwhat (?:is|has|was|does|can|a|an|no)\b[^.?;\n]*; what\b/gi,
    use: "one declarative sentence with a concrete subject",
  },
];
