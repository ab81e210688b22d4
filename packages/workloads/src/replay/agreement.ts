import { readVmpte } from "../reader/vmpte.js";

/** A process of which the model and Linux differ. */
export interface Difference {
  /** The process. */
  readonly pid: number;
  /** Its name. */
  readonly name: string;
  /** Table pages below the top level in the model, at its exit. */
  readonly model: number;
  /** The same in the kernel's own account. */
  readonly kernel: number;
  /** What the trace cannot know of it. */
  readonly why: string;
}

/** How the model agrees with the kernel that ran the workload. */
export interface Agreement {
  /** Processes in the kernel's account, but for the recorder's own; of a replay that was not whole, those whose exit it replayed. */
  readonly processes: number;
  /** Of which the model has the same number of table pages. */
  readonly equal: number;
  /** The others. */
  readonly differences: readonly Difference[];
}

/** A process at its exit, as the model has it. */
export interface ExitRecord {
  /** Table pages below the top level. */
  readonly tablePages: number;
  /** Whether part of its life lies before the trace. */
  readonly fromBefore: boolean;
}

/**
 * Holds the model's processes against the kernel's account.
 * @param path - a VmPTE file
 * @param exits - the model's processes at their exits, by pid; a pid used again has several
 * @param whole - whether the whole trace was replayed; if not, processes without an exit say nothing, nor do pids used again
 * @throws KpkeysError ERR_INPUT_MISSING, ERR_VMPTE_LINE
 */
export function compareWithLinux(
  path: string,
  exits: ReadonlyMap<number, readonly ExitRecord[]>,
  whole: boolean,
): Agreement {
  const met = new Map<number, number>();
  const all = readVmpte(path).filter(({ name, pid }) => name !== "perf" || exits.has(pid));
  const times = new Map<number, number>();
  for (const { pid } of all) times.set(pid, (times.get(pid) ?? 0) + 1);
  const records = whole ? all : all.filter(({ pid }) => exits.has(pid) && times.get(pid) === 1);
  const differences: Difference[] = [];
  for (const { pid, name, vmpteKb } of records) {
    const turn = met.get(pid) ?? 0;
    met.set(pid, turn + 1);
    const exit = exits.get(pid)?.[turn];
    const kernel = vmpteKb / 4;
    if (exit?.tablePages === kernel) continue;
    const why =
      exit === undefined
        ? "the trace has no exit of it"
        : exit.fromBefore
          ? "part of its life lies before the trace began"
          : "no reason known";
    differences.push({ pid, name, model: exit?.tablePages ?? 0, kernel, why });
  }
  return { processes: records.length, equal: records.length - differences.length, differences };
}
