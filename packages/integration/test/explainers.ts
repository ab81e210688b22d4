import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createContainer, createPluginRegistry, registerFramework, resolve } from "@kpkeys/core";
import { ArchTools, Kpkeys, PkeyRegister, ProtectedObjects } from "@kpkeys/core/contracts";
import type { ExplainKernel, Explanation, ExplainQuestion, Plugin } from "@kpkeys/core/contracts";
import { createOopsReader } from "@kpkeys/core/machine";
import type { OopsReport } from "@kpkeys/core/machine";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";

/** What explains the accesses of an architecture in a kernel with hardened page tables. */
export interface Explainer {
  readonly id: string;
  readonly tools: ArchTools;
  readonly kernel: ExplainKernel;
  readonly register: PkeyRegister;
  readonly explain: (question: ExplainQuestion) => Explanation;
}

function explainerOf(arch: Plugin): Explainer {
  const container = createContainer();
  registerFramework(container);
  createPluginRegistry([arch, pgtablesHardening]).setUp(container, arch.id, [pgtablesHardening.id]);
  const kpkeys = resolve(container, Kpkeys);
  kpkeys.freeze();
  const tools = resolve(container, ArchTools);
  const kernel = { kpkeys, objects: resolve(container, ProtectedObjects) };
  const register = resolve(container, PkeyRegister);
  return { id: arch.id, tools, kernel, register, explain: (question) => tools.explain(question, kernel) };
}

export const arm64: Explainer = explainerOf(arm64Poe);
export const x86: Explainer = explainerOf(x86Pks);

/** All reasons about a topic. */
export function textOf({ reasons }: Explanation, topic: string): string {
  return reasons.flatMap((reason) => (reason.topic === topic ? [reason.text] : [])).join("\n");
}

/** Reads a log as `kpkeys explain FILE` does. */
export function readLog(log: string): OopsReport | undefined {
  const forms = [arm64, x86].map(({ id, tools }) => [id, tools.oops!] as const);
  const reader = createOopsReader(forms);
  for (const line of log.split("\n")) reader.take(line);
  return reader.finish();
}

/** Explains the first report of a log, completed by flags. */
export function explainLog(log: string, flags: Readonly<Record<string, string>> = {}): Explanation {
  const report = readLog(log)!;
  const { explain } = [arm64, x86].find(({ id }) => id === report.id)!;
  const found = Object.entries(report.inputs).map(([name, { text }]) => [name, text] as const);
  return explain({
    inputs: { ...Object.fromEntries(found), ...flags },
    unreadable: report.unreadable.length > 0,
  });
}
