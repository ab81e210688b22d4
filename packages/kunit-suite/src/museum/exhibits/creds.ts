import { CRED, Creds, KernelMemory, physAddrOf, Rcu, Tasks } from "@kpkeys/core/contracts";
import { probeStore } from "../evidence.js";
import type { Exhibit, Finding, Scene } from "../exhibit.js";
import { allocPage, orOutOfMemory } from "../setup.js";
import { callbacksPrivileged } from "../variants.js";

/**
 * Two callbacks wait for one grace period: put_cred_rcu() of the replaced credentials, and the callback of another subsystem, which
 * stores to live credentials after a use-after-free.
 */
function runCallbacks({ machine, step }: Scene): Finding {
  const rcu = machine.get(Rcu);
  const creds = machine.get(Creds);
  const { pageBytes } = machine.get(KernelMemory);
  step("a task changes its credentials: the old ones wait for a grace period");
  creds.commit(orOutOfMemory(creds.prepare(), "a credential"));
  const { cred } = machine.get(Tasks).current;

  let found: Finding | undefined;
  step("another subsystem queues a callback");
  rcu.call(physAddrOf(allocPage(machine), machine.memory.pageShift), () => {
    step("its callback stores to the live credentials");
    const word = ((cred % pageBytes) + CRED.uid) / 8;
    found = probeStore(machine, Math.floor(cred / pageBytes), "another subsystem's callback", word);
  });
  step("the grace period ends, and the callbacks run");
  rcu.synchronize();
  return found!;
}

const guardTooWide: Exhibit = {
  id: "guard-too-wide",
  title: "a guard around all RCU callbacks opens the key to each of them",
  series: "credentials v2",
  citation:
    "Hardened credentials RFC v2, 15 August 2025: running all RCU callbacks privileged was rejected, and put_cred_rcu() guards the freeing alone",
  story:
    "The callback that frees credentials needs the privilege. One guard around all RCU callbacks is the simplest place for it, but every other callback gets the privilege too, and an attacker's store from one of them succeeds.",
  fix: "put_cred_rcu() guards the write itself. All other callbacks run without the privilege.",
  detector: "attack",
  features: ["cred"],
  red: { variants: [callbacksPrivileged], run: runCallbacks },
  green: { run: runCallbacks },
};

/** Bugs in the guards of credentials. */
export const CREDS: readonly Exhibit[] = [guardTooWide];
