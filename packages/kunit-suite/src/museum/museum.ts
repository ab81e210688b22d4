import { createPluginRegistry, KpkeysError } from "@kpkeys/core";
import type { ErrorCode, PluginRegistry } from "@kpkeys/core";
import { buildMachine, DEFAULT_SPEC, MINIMUM_MEMORY } from "@kpkeys/kernel";
import type { MachineSpec } from "@kpkeys/kernel";
import { SERIES } from "@kpkeys/scenarios";
import type { Exhibit, Finding, Policies, SideName } from "./exhibit.js";
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
import { createRecorder } from "./recorder.js";
import { formatReplay, parseReplay } from "./replay-string.js";
import type { SideKey } from "./replay-string.js";

/** The versions of the series in their order. v2 fixed bugs of v1; neither is a machine that can be made. */
const VERSIONS = ["v2", ...Object.keys(SERIES)];

/** The place of an exhibit: by the version that fixed it, and after all of these if it is of another series. */
function placeOf({ series }: Exhibit): number {
  const place = VERSIONS.findIndex((version) => series.endsWith(`→${version}`));
  return place < 0 ? VERSIONS.length : place;
}

/** All exhibits, by the version that mended them, the oldest first; those of other series last. */
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

/** What one side of an exhibit came to on one architecture. */
export interface SideRun extends SideKey {
  /** Whether the bug showed. */
  readonly seen: boolean;
  /** Whether it showed where it should: on the red side, and not on the green one. */
  readonly asStated: boolean;
  /** The fault report or the scanner's finding of this run, in lines. */
  readonly evidence: string;
  /** What happened: the steps of the scenario, and below each what the key register did. */
  readonly trace: readonly string[];
  /** Runs this side again: {@link replaySide}. */
  readonly replay: string;
}

/**
 * Finds an exhibit.
 * @param id - its id
 * @throws KpkeysError ERR_EXHIBIT
 */
export function findExhibit(id: string): Exhibit {
  const exhibit = EXHIBITS.find((each) => each.id === id);
  if (exhibit !== undefined) return exhibit;
  throw new KpkeysError("ERR_EXHIBIT", `there is no exhibit '${id}'`, {
    expected: EXHIBITS.map((each) => each.id).join(", "),
  });
}

/**
 * The architectures that an exhibit applies to.
 * @param exhibit - the exhibit
 * @param registry - the architectures that there are
 * @returns ids, in the order of the registry
 */
export function archesOf({ arches }: Exhibit, registry: PluginRegistry): readonly string[] {
  const ids = registry.plugins.filter(({ kind }) => kind === "arch").map(({ id }) => id);
  return ids.filter((id) => arches === undefined || arches.includes(id));
}

/**
 * Runs one side of an exhibit on a machine of its own.
 *
 * @param key - which one, where
 * @param registry - has the architecture, the feature `pgtables` and the other features of the exhibit
 * @returns what it came to; the same for the same key
 * @throws KpkeysError ERR_EXHIBIT for an exhibit that there is not, or not on that architecture; what making the machine throws
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
    throw new KpkeysError("ERR_EXHIBIT", `exhibit '${id}' is not on '${arch}'`, {
      expected: (exhibit.arches ?? arches).join(", "),
    });
  }
  const recorder = createRecorder();
  const { variants = [], run } = exhibit[side];
  const extra = [recorder.plugin, ...variants];
  const ids = extra.map((plugin) => plugin.id);
  const spec = specOf(exhibit, side, arch, ids);
  const { seen, evidence } = findingOf(() => {
    const machine = buildMachine(spec, createPluginRegistry([...registry.plugins, ...extra]));
    return run({ machine, step: recorder.step });
  });
  return {
    ...key,
    seen,
    asStated: seen === (side === "red"),
    evidence,
    trace: recorder.end(),
    replay: formatReplay(key),
  };
}

/** What ends a machine rather than the museum. */
const ENDS_OF_MACHINES: readonly ErrorCode[] = ["ERR_KERNEL_FAULT", "ERR_OUT_OF_MEMORY", "ERR_DEADLOCK"];

/** What a run came to; a machine that does not live to the end of its scenario shows a bug, if it boots or not. */
function findingOf(run: () => Finding): Finding {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof KpkeysError) || !ENDS_OF_MACHINES.includes(error.code)) throw error;
    return { seen: true, evidence: `${error.code}: ${error.message}` };
  }
}

/**
 * Runs one side again from its replay string alone.
 * @param text - the string of a {@link SideRun}
 * @param registry - as for {@link runSide}
 * @throws KpkeysError ERR_EXHIBIT for a string of another form; as {@link runSide}
 */
export function replaySide(text: string, registry: PluginRegistry): SideRun {
  return runSide(parseReplay(text), registry);
}

/** The machine of a side: the smallest that boots, with the feature, and in what it differs. */
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
    memory: [{ bytes: MINIMUM_MEMORY }],
    cpus: layers.findLast(({ cpus }) => cpus !== undefined)?.cpus ?? DEFAULT_SPEC.cpus,
  };
}
