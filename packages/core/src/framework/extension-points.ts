import { SETTERS } from "../contracts/index.js";
import type {
  CredStore,
  ExtensionHandlers,
  ExtensionPoint,
  ExtensionPoints,
  Guard,
  KunitSuite,
  Setter,
  TableAllocator,
} from "../contracts/index.js";
import { KpkeysError } from "../errors.js";

/** All points, so that a name which is none is refused and no handler is kept that never runs. */
const POINTS: Readonly<Record<ExtensionPoint, true>> = {
  tablePageAllocated: true,
  tablePageFreeing: true,
  tablePageCtor: true,
  tablePageDtor: true,
  earlyTablePage: true,
  lazyMmuEnter: true,
  lazyMmuLeave: true,
  tableLocked: true,
  tableUnlocking: true,
  operationEnter: true,
  operationExit: true,
  contextSwitch: true,
  exceptionEntry: true,
  exceptionExit: true,
  kernelFault: true,
  cpuOnline: true,
  cpuResume: true,
  slabPageTagged: true,
  slabInternalWrite: true,
  slabInternalWriteDone: true,
  rcuHeadWrite: true,
  rcuHeadWriteDone: true,
  credReplaced: true,
  initPhase: true,
};

/**
 * Makes a machine's extension points.
 *
 * @returns nothing attached yet
 */
export function createExtensionPoints(): ExtensionPoints {
  const attached: { [P in ExtensionPoint]?: ExtensionHandlers[P][] } = {};
  const guards = new Map<Setter, Guard>();
  const suites: KunitSuite[] = [];
  let tableAllocator: TableAllocator | undefined;
  let credStore: CredStore | undefined;
  let frozen = false;

  function refuseWhenFrozen(what: string): void {
    if (!frozen) return;
    throw new KpkeysError("ERR_FROZEN", `${what} after the machine was frozen`, {
      expected: "that in the plugin's setup",
    });
  }

  function handlersOf<P extends ExtensionPoint>(point: P): ExtensionHandlers[P][] {
    if (!Object.hasOwn(POINTS, point)) {
      throw new KpkeysError("ERR_EXTENSION_UNKNOWN", `there is no extension point '${point}'`, {
        expected: `one of ${Object.keys(POINTS).join(", ")}`,
      });
    }
    return (attached[point] ??= attached[point] = []);
  }

  return {
    on(point, handler) {
      refuseWhenFrozen(`a handler is attached to '${point}'`);
      handlersOf(point).push(handler);
    },
    handlers: handlersOf,
    setGuard(setter, guard) {
      refuseWhenFrozen(`the guard point of '${setter}' is taken`);
      if (!SETTERS.includes(setter)) {
        throw new KpkeysError("ERR_EXTENSION_UNKNOWN", `there is no setter '${setter}' with a guard point`, {
          expected: `one of ${SETTERS.join(", ")}`,
        });
      }
      if (guards.has(setter)) {
        throw new KpkeysError("ERR_GUARD_TAKEN", `the guard point of '${setter}' is held by another feature`, {
          expected: "one feature alone that guards page-table writes",
        });
      }
      guards.set(setter, guard);
    },
    guard: (setter) => guards.get(setter),
    setTableAllocator(allocator) {
      refuseWhenFrozen("the allocation of table pages is taken");
      if (tableAllocator !== undefined) {
        throw new KpkeysError("ERR_GUARD_TAKEN", "the allocation of table pages is held by another feature", {
          expected: "one feature alone that allocates table pages",
        });
      }
      tableAllocator = allocator;
    },
    get tableAllocator() {
      return tableAllocator;
    },
    setCredStore(store) {
      refuseWhenFrozen("the store of credentials is taken");
      if (credStore !== undefined) {
        throw new KpkeysError("ERR_GUARD_TAKEN", "the store of credentials is held by another feature", {
          expected: "one feature alone that keeps credentials",
        });
      }
      credStore = store;
    },
    get credStore() {
      return credStore;
    },
    addSuite(suite) {
      refuseWhenFrozen(`the suite '${suite.name}' is added`);
      suites.push(suite);
    },
    suites,
    freeze() {
      frozen = true;
    },
  };
}
