/**
 * Examples of `--help` by command; `kpkeys` has those of the program. `build.txt` is a recording of the user, `my-feature` the folder of
 * a package.
 */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  kpkeys: [
    "kpkeys run                                    # the bundled recording, both architectures",
    "kpkeys show                                   # one guarded write and one stray store",
    "kpkeys help run",
  ],
  run: [
    "kpkeys run                                    # the bundled recording",
    "kpkeys run build.txt --vmpte build.vmpte.txt  # compare table pages with Linux",
    "kpkeys run build.txt --series v9,next --policy batched --check sampled",
    "kpkeys run build.txt --arch arm64-poe --json > report.json",
    "kpkeys run --plugin ./my-feature              # with your own feature",
  ],
  replay: [
    "kpkeys replay build.txt --arch x86-pks --policy naive,batched",
    "kpkeys replay build.txt --until 2.5s --trace-out build.pftrace",
    "kpkeys replay build.txt --sample 2 --seed 7",
  ],
  record: ["kpkeys record -- make -j2", "kpkeys record --account --output build.txt --arch arm64-poe -- make -j2"],
  kunit: [
    "kpkeys kunit --series v5,v9                   # the suite of each version",
    "kpkeys kunit --filter 'kpkeys*.*_pmd' --junit results.xml",
    "kpkeys kunit --no-pkeys                       # every case of the hardening is skipped",
  ],
  show: ["kpkeys show", "kpkeys show --arch arm64-poe --series v8"],
  ktap: ["kpkeys ktap console.log", "dmesg | kpkeys ktap -"],
  attack: [
    "kpkeys attack                                 # after boot",
    "kpkeys attack build.txt --series v8 --arch x86-pks",
    "kpkeys attack --policy off                    # the same stores without the hardening",
    "kpkeys attack --plugin ./my-feature           # the objects of your feature too",
  ],
  conform: ["kpkeys conform vectors.jsonl.gz", "kpkeys conform vectors.jsonl.gz --arch arm64-poe,x86-pks --json"],
  overhead: [
    "kpkeys overhead                               # the published table and the predictions",
    "kpkeys overhead --what-if --trace build.txt   # other guard placements",
    "kpkeys overhead --save-costs costs.json       # for --cost of run and replay",
  ],
  plugins: ["kpkeys plugins", "kpkeys plugins --plugin ./my-feature --json"],
  "check-plugin": ["kpkeys check-plugin ./my-feature", "kpkeys check-plugin ./my-feature --timeout 120 --json"],
  museum: [
    "kpkeys museum",
    "kpkeys museum --id irq-exit-resume --arch arm64-poe",
    "kpkeys museum --replay vmemmap-tables:red:x86-pks",
  ],
  budget: [
    "kpkeys budget                                 # the features that are bundled",
    "kpkeys budget ./my-feature --feature pgtables --arch x86-pks",
  ],
  explain: [
    "kpkeys explain oops.txt",
    "dmesg | kpkeys explain -",
    "kpkeys explain --esr 0x000000409600004f --far 0xffff00087fbbbd78 --por 0x17 --pte 0x10e80008ffbbb707",
  ],
};

/**
 * The examples of a command, as its help prints them.
 * @param name - the command's name
 */
export function examplesOf(name: string): string {
  return ["", "Examples:", ...EXAMPLES[name]!.map((line) => `  ${line}`)].join("\n");
}
