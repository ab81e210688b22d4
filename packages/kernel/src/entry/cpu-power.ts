import { inject, injectable, KpkeysError, writePkeyValue } from "@kpkeys/core";
import { Cpus, ExtensionPoints, Kpkeys, Tasks } from "@kpkeys/core/contracts";
import type { CpuPower, PkeyValue } from "@kpkeys/core/contracts";
import { InitialPkeyRegister, Policies } from "../machine/tokens.js";
import type { KernelPolicies } from "../machine/policies.js";
import type { KernelTasks } from "../process/tasks.js";

/** Suspends and resumes CPUs. A CPU suspends in its idle task. */
@injectable()
export class KernelCpuPower implements CpuPower {
  private readonly onResume: readonly ((cpu: number) => void)[];
  private readonly initialisesRegister: boolean;

  constructor(
    @inject(Cpus) private readonly cpus: Cpus,
    @inject(Tasks) private readonly tasks: KernelTasks,
    @inject(ExtensionPoints) extensions: ExtensionPoints,
    @inject(Policies) { resumeInitialisesRegister }: Required<KernelPolicies>,
    @inject(Kpkeys) kpkeys: Kpkeys,
    @inject(InitialPkeyRegister) private readonly initial: PkeyValue,
  ) {
    this.onResume = extensions.handlers("cpuResume");
    this.initialisesRegister = resumeInitialisesRegister && kpkeys.supported();
  }

  suspend(id: number): void {
    this.check(id, true);
    this.tasks.switchToIdle(id);
    this.cpus.all[id]!.reset();
  }

  resume(id: number): void {
    this.check(id, false);
    const cpu = this.cpus.all[id]!;
    cpu.mmu.enabled = true;
    if (this.initialisesRegister) {
      writePkeyValue(cpu, this.initial);
      cpu.synchronise();
    }
    for (const handler of this.onResume) handler(id);
  }

  private check(id: number, on: boolean): void {
    const state = this.cpus.all[id]?.mmu.enabled;
    if (state === on) return;
    const reason = state === undefined ? "does not exist" : on ? "is suspended" : "is not suspended";
    throw new KpkeysError("ERR_API_MISUSE", `CPU ${id} ${reason}`, {
      where: on ? "suspend" : "resume",
      expected: on ? "a running CPU" : "a suspended CPU",
    });
  }
}
