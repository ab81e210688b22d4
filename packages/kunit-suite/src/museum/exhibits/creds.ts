import { orOutOfMemory, takePage } from "../setup.js";
import { CRED, Creds, KernelMemory, physAddrOf, Rcu, Tasks } from "@kpkeys/core/contracts";
import { strayStore } from "../evidence.js";
import type { Exhibit, Finding, Scene } from "../exhibit.js";
import { callbacksPrivileged } from "../variants.js";

/**
 * Two callbacks wait for the same grace period: one frees the credentials that a task no longer uses, as it must, and one is of another
 * subsystem, with a use-after-free that stores to live ones.
 */
function runCallbacks({ machine, step }: Scene): Finding {
  const rcu = machine.get(Rcu);
  const creds = machine.get(Creds);
  const { pageBytes } = machine.get(KernelMemory);
  step("a task changes its credentials: those of before wait for a grace period");
  creds.commit(orOutOfMemory(creds.prepare(), "a credential"));
  const { cred } = machine.get(Tasks).current;

  let found: Finding | undefined;
  step("another subsystem queues a callback");
  rcu.call(physAddrOf(takePage(machine), machine.memory.pageShift), () => {
    step("its callback stores to the live credentials");
    const word = ((cred % pageBytes) + CRED.uid) / 8;
    found = strayStore(machine, Math.floor(cred / pageBytes), "another subsystem's callback", word);
  });
  step("the grace period ends, and the callbacks run");
  rcu.synchronize();
  return found!;
}

const guardTooWide: Exhibit = {
  id: "guard-too-wide",
  title: "a guard around all callbacks opens the key to every one of them",
  series: "credentials v2",
  citation:
    "Hardened credentials RFC v2, 15 August 2025: running all RCU callbacks privileged was rejected, and put_cred_rcu() guards the freeing alone",
  story:
    "One guard around every RCU callback is the easy place for it, since the one that frees credentials needs the privilege. Every other callback gets it too, and an attacker's store from there goes through.",
  fix: "The guard stands around the write itself, in put_cred_rcu(), and what else RCU calls runs without.",
  detector: "attack",
  features: ["cred"],
  red: { variants: [callbacksPrivileged], run: runCallbacks },
  green: { run: runCallbacks },
};

/** Who writes credentials, and in which scope. */
export const CREDS: readonly Exhibit[] = [guardTooWide];
