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

/** All points. An unknown name is rejected, because its handler would never run. */
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
  taskCreated: true,
  taskExec: true,
  taskExited: true,
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

/** The extension points of one machine. */
export class ExtensionPointTable implements ExtensionPoints {
  readonly suites: KunitSuite[] = [];
  tableAllocator: TableAllocator | undefined;
  credStore: CredStore | undefined;
  private readonly attached: { [P in ExtensionPoint]?: ExtensionHandlers[P][] } = {};
  private readonly guards = new Map<Setter, Guard>();
  private frozen = false;

  on<P extends ExtensionPoint>(point: P, handler: ExtensionHandlers[P]): void {
    this.rejectIfFrozen(`attach a handler to '${point}'`);
    this.handlersOf(point).push(handler);
  }

  handlers<P extends ExtensionPoint>(point: P): readonly ExtensionHandlers[P][] {
    return this.handlersOf(point);
  }

  setGuard(setter: Setter, guard: Guard): void {
    this.rejectIfFrozen(`guard '${setter}'`);
    if (!SETTERS.includes(setter)) {
      throw new KpkeysError("ERR_EXTENSION_UNKNOWN", `unknown setter '${setter}'`, {
        expected: `one of ${SETTERS.join(", ")}`,
      });
    }
    if (this.guards.has(setter)) {
      throw new KpkeysError("ERR_GUARD_TAKEN", `cannot guard '${setter}': another feature guards it`, {
        advice: "build the machine with one feature that guards page-table writes",
      });
    }
    this.guards.set(setter, guard);
  }

  guard(setter: Setter): Guard | undefined {
    return this.guards.get(setter);
  }

  setTableAllocator(allocator: TableAllocator): void {
    this.rejectIfFrozen("set the allocator of table pages");
    if (this.tableAllocator !== undefined) {
      throw new KpkeysError("ERR_GUARD_TAKEN", "cannot set the allocator of table pages: another feature has set it", {
        advice: "build the machine with one feature that allocates table pages",
      });
    }
    this.tableAllocator = allocator;
  }

  setCredStore(store: CredStore): void {
    this.rejectIfFrozen("set the store of credentials");
    if (this.credStore !== undefined) {
      throw new KpkeysError("ERR_GUARD_TAKEN", "cannot set the store of credentials: another feature has set it", {
        advice: "build the machine with one feature that stores credentials",
      });
    }
    this.credStore = store;
  }

  addSuite(suite: KunitSuite): void {
    this.rejectIfFrozen(`add the suite '${suite.name}'`);
    this.suites.push(suite);
  }

  freeze(): void {
    this.frozen = true;
  }

  private handlersOf<P extends ExtensionPoint>(point: P): ExtensionHandlers[P][] {
    if (!Object.hasOwn(POINTS, point)) {
      throw new KpkeysError("ERR_EXTENSION_UNKNOWN", `unknown extension point '${point}'`, {
        expected: `one of ${Object.keys(POINTS).join(", ")}`,
      });
    }
    return (this.attached[point] ??= this.attached[point] = []);
  }

  private rejectIfFrozen(action: string): void {
    if (!this.frozen) return;
    throw new KpkeysError("ERR_FROZEN", `cannot ${action}: the machine is frozen`, {
      advice: "do it in the plugin's setup()",
    });
  }
}
