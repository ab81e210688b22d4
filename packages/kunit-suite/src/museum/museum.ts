import { createPluginRegistry, KpkeysError } from "@kpkeys/core";
import type { ErrorCode, PluginRegistry } from "@kpkeys/core";
import { buildMachine, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { MachineSpec } from "@kpkeys/kernel";
import { SERIES } from "@kpkeys/scenarios";
import type { Exhibit, Facts, Finding, Policies, SideName } from "./exhibit.js";
import { ALLOCATION } from "./exhibits/allocation.js";
import { API } from "./exhibits/api.js";
import { CREDS } from "./exhibits/creds.js";
import { LAZY_MMU } from "./exhibits/lazy-mmu.js";
import { MMU } from "./exhibits/mmu.js";
import { REGISTER } from "./exhibits/register.js";
import { SET_MEMORY } from "./exhibits/set-memory.js";
import { TESTS } from "./exhibits/tests.js";
import { WRITES } from "./exhibits/writes.js";
import { FEATURE } from "./pgtables.js";
import { Recorder } from "./recorder.js";
import { formatReplay, parseReplay } from "./replay-string.js";
import type { SideKey } from "./replay-string.js";

/** The versions of the series in order. v2 fixed bugs of v1; the model has neither version. */
const VERSIONS = ["v2", ...Object.keys(SERIES)];

/** The position of an exhibit: by the version that fixed it, then those of other series. */
function placeOf({ series }: Exhibit): number {
  const place = VERSIONS.findIndex((version) => series.endsWith(`→${version}`));
  return place < 0 ? VERSIONS.length : place;
}

/** All exhibits, by the version that fixed them, the oldest first; those of other series last. */
export const EXHIBITS: readonly Exhibit[] = [
  ...MMU,
  ...ALLOCATION,
  ...SET_MEMORY,
  ...WRITES,
  ...CREDS,
  ...REGISTER,
  ...LAZY_MMU,
  ...TESTS,
  ...API,
].sort((one, other) => placeOf(one) - placeOf(other));

/** The result of one side of an exhibit on one architecture. */
export interface SideRun extends SideKey {
  /** Whether the bug showed. */
  readonly seen: boolean;
  /** Whether that is the expected result: seen on the red side, not seen on the green side. */
  readonly asStated: boolean;
  /** The fault report or the scanner's finding of this run, in lines. */
  readonly evidence: string;
  /** The values in the evidence, for programs. */
  readonly facts: Facts;
  /** The steps of the scenario, each followed by the events of the key register in it. */
  readonly trace: readonly string[];
  /** The replay string of this run: {@link replaySide}. */
  readonly replay: string;
}

/**
 * The exhibit with an id.
 * @param id - its id
 * @throws KpkeysError ERR_EXHIBIT if no exhibit has the id
 */
export function findExhibit(id: string): Exhibit {
  const exhibit = EXHIBITS.find((each) => each.id === id);
  if (exhibit !== undefined) return exhibit;
  throw new KpkeysError("ERR_EXHIBIT", `unknown exhibit '${id}'`, {
    expected: EXHIBITS.map((each) => each.id).join(", "),
  });
}

/**
 * The architectures that an exhibit applies to.
 * @param exhibit - the exhibit
 * @param registry - the registered architectures
 * @returns ids, in the order of the registry
 */
export function archesOf({ arches }: Exhibit, registry: PluginRegistry): readonly string[] {
  const ids = registry.plugins.filter(({ kind }) => kind === "arch").map(({ id }) => id);
  return ids.filter((id) => arches === undefined || arches.includes(id));
}

/**
 * Runs one side of an exhibit on a new machine. The same key gives the same result.
 *
 * @param key - the exhibit, the side and the architecture
 * @param registry - contains the architecture, the feature `pgtables` and the other features of the exhibit
 * @throws KpkeysError ERR_EXHIBIT if the exhibit does not exist or does not apply to the architecture; the errors of
 *   `buildMachine`
 *
 * @example
 * ```ts
 * import { arm64Poe } from "@kpkeys/arch-arm64-poe";
 * import { createPluginRegistry } from "@kpkeys/core";
 * import { runSide } from "@kpkeys/kunit-suite/museum";
 * import { pgtablesHardening } from "@kpkeys/pgtables-hardening";
 *
 * const registry = createPluginRegistry([arm64Poe, pgtablesHardening]);
 * const { seen, evidence } = runSide({ id: "irq-exit-resume", side: "red", arch: "arm64-poe" }, registry);
 * console.log(seen, /ESR_EL1=\w+/.exec(evidence)?.[0]); // true ESR_EL1=0x000000409600004f
 * ```
 */
export function runSide(key: SideKey, registry: PluginRegistry): SideRun {
  const { id, side, arch } = key;
  const exhibit = findExhibit(id);
  const arches = archesOf(exhibit, registry);
  if (!arches.includes(arch)) {
    throw new KpkeysError("ERR_EXHIBIT", `exhibit '${id}' does not apply to '${arch}'`, {
      expected: (exhibit.arches ?? arches).join(", "),
    });
  }
  const recorder = new Recorder();
  const { variants = [], run } = exhibit[side];
  const extra = [recorder.plugin, ...variants];
  const ids = extra.map((plugin) => plugin.id);
  const spec = specOf(exhibit, side, arch, ids);
  const { seen, evidence, facts } = findingOf(() => {
    const machine = buildMachine(spec, createPluginRegistry([...registry.plugins, ...extra]));
    return run({
      machine,
      step(text) {
        recorder.step(text);
      },
    });
  });
  return {
    ...key,
    seen,
    asStated: seen === (side === "red"),
    evidence,
    facts,
    trace: recorder.end(),
    replay: formatReplay(key),
  };
}

/** Errors of the machine that are a result of the scenario. */
const MACHINE_ERRORS: readonly ErrorCode[] = ["ERR_KERNEL_FAULT", "ERR_OUT_OF_MEMORY", "ERR_DEADLOCK"];

/** The finding of a run. A machine that fails before the end of its scenario, at boot included, shows a bug. */
function findingOf(run: () => Finding): Finding {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof KpkeysError) || !MACHINE_ERRORS.includes(error.code)) throw error;
    return { seen: true, evidence: `${error.code}: ${error.message}`, facts: {} };
  }
}

/**
 * Runs one side again from its replay string.
 * @param text - `replay` of a {@link SideRun}
 * @param registry - as for {@link runSide}
 * @throws KpkeysError ERR_EXHIBIT if the string is malformed; as {@link runSide}
 */
export function replaySide(text: string, registry: PluginRegistry): SideRun {
  return runSide(parseReplay(text), registry);
}

/** The machine of a side: the smallest one that boots, with the feature and the policies. */
function specOf(exhibit: Exhibit, side: SideName, arch: string, extra: readonly string[]): MachineSpec {
  const layers: readonly Policies[] = [exhibit.policies ?? {}, exhibit[side].policies ?? {}];
  const merged = <K extends "arch" | "pgtables" | "kernel">(name: K): NonNullable<Policies[K]> =>
    Object.assign({}, ...layers.map((layer) => layer[name])) as NonNullable<Policies[K]>;
  return {
    ...DEFAULT_SPEC,
    arch,
    features: [...extra, FEATURE, ...(exhibit.features ?? [])],
    options: { [arch]: merged("arch"), [FEATURE]: merged("pgtables") },
    kernel: merged("kernel"),
    memory: [{ bytes: 64 * 2 ** 20 }],
    cpus: layers.findLast(({ cpus }) => cpus !== undefined)?.cpus ?? DEFAULT_SPEC.cpus,
  };
}
