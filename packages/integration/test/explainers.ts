import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { Explainer, OopsReader } from "@kpkeys/explain";
import type { Explanation, OopsReport } from "@kpkeys/explain";
import { pgtablesHardening } from "@kpkeys/pgtables-hardening";

export const arm64: Explainer = new Explainer(arm64Poe, [pgtablesHardening]);
export const x86: Explainer = new Explainer(x86Pks, [pgtablesHardening]);

/** All reasons about a topic. */
export function textOf({ reasons }: Explanation, topic: string): string {
  return reasons.flatMap((reason) => (reason.topic === topic ? [reason.text] : [])).join("\n");
}

/** Reads a log as `kpkeys explain FILE` does. */
export function readLog(log: string): OopsReport {
  const reader = new OopsReader([arm64, x86]);
  for (const line of log.split("\n")) reader.push(line);
  return reader.finish("log");
}

/** Explains the first report of a log, completed by flags. */
export function explainLog(log: string, flags: Readonly<Record<string, string>> = {}): Explanation {
  const report = readLog(log);
  const found = Object.entries(report.inputs).map(([name, { text }]) => [name, text] as const);
  return [arm64, x86]
    .find(({ id }) => id === report.id)!
    .explain({
      inputs: { ...Object.fromEntries(found), ...flags },
      unreadable: report.unreadable.length > 0,
    });
}
