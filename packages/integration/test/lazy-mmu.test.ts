import { arm64Poe } from "@kpkeys/arch-arm64-poe";
import { x86Pks } from "@kpkeys/arch-x86-pks";
import { createPluginRegistry, resolve } from "@kpkeys/core";
import { Exceptions, ExtensionPoints, LazyMmu, Tasks } from "@kpkeys/core/contracts";
import type { Plugin } from "@kpkeys/core/contracts";
import { buildMachine, DEFAULT_SPEC } from "@kpkeys/kernel";
import type { Machine } from "@kpkeys/kernel";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ARCHES } from "./machines.js";

/** A feature that writes down when its section is entered and left. */
function recorder(log: string[]): Plugin {
  return {
    id: "recorder",
    kind: "feature",
    description: "writes down lazy MMU sections",
    contract: 2,
    setup(container) {
      let entered = 0;
      const points = resolve(container, ExtensionPoints);
      points.on("lazyMmuEnter", () => {
        log.push(`enter ${++entered}`);
        return entered;
      });
      points.on("lazyMmuLeave", (slot) => {
        log.push(`leave ${slot}`);
      });
    },
  };
}

interface Recorded {
  readonly machine: Machine;
  readonly lazy: LazyMmu;
  readonly log: string[];
}

function recorded(arch: string, cpus = 1): Recorded {
  const log: string[] = [];
  const registry = createPluginRegistry([arm64Poe, x86Pks, recorder(log)]);
  const memory = [{ bytes: 128 * 1024 * 1024 }];
  const machine = buildMachine({ ...DEFAULT_SPEC, arch, memory, cpus, features: ["recorder"] }, registry);
  log.length = 0;
  return { machine, lazy: machine.get(LazyMmu), log };
}

/** Names and slots without the numbers, which go on from boot. */
const names = (log: readonly string[]): readonly string[] => log.map((line) => line.split(" ")[0]!);

describe.each(ARCHES)("lazy MMU mode on %s, by mainline's rules", (arch) => {
  it("enters at the outermost enable and leaves at the outermost disable, with the slot of that enter", () => {
    const { lazy, log } = recorded(arch);
    lazy.enable();
    lazy.enable();
    expect(lazy.isActive()).toBe(true);
    lazy.disable();
    expect(names(log)).toEqual(["enter"]);
    lazy.disable();
    expect(names(log)).toEqual(["enter", "leave"]);
    expect(log[1]!.slice(6)).toBe(log[0]!.slice(6));
    expect(lazy.isActive()).toBe(false);
  });

  it("leaves while paused, ignores enable and disable there, and enters again at the last resume", () => {
    const { lazy, log } = recorded(arch);
    lazy.enable();
    lazy.pause();
    lazy.pause();
    expect([lazy.isActive(), lazy.isEnabled()]).toEqual([false, false]);
    lazy.enable();
    lazy.disable();
    lazy.disable();
    lazy.resume();
    expect(names(log)).toEqual(["enter", "leave"]);
    lazy.resume();
    expect(names(log)).toEqual(["enter", "leave", "enter"]);
    lazy.disable();
    expect(names(log)).toEqual(["enter", "leave", "enter", "leave"]);
    expect(lazy.warnings).toBe(0);
  });

  it("a pause outside any section enters nothing when it ends", () => {
    const { lazy, log } = recorded(arch);
    lazy.pause();
    lazy.resume();
    expect(log).toEqual([]);
    expect(lazy.warnings).toBe(0);
  });

  it("in interrupt no call does anything, and the mode is not active though the flag is set", () => {
    const { machine, lazy, log } = recorded(arch);
    lazy.enable();
    machine.get(Exceptions).interrupt(() => {
      expect([lazy.isActive(), lazy.isEnabled()]).toEqual([false, true]);
      lazy.disable();
      lazy.pause();
      lazy.resume();
      lazy.resume();
      lazy.enable();
    });
    expect(lazy.isActive()).toBe(true);
    lazy.disable();
    expect(names(log)).toEqual(["enter", "leave"]);
    expect(lazy.warnings).toBe(0);
  });

  it("warns of one disable and one resume too many, and of the 256th enable and pause", () => {
    const { lazy } = recorded(arch);
    lazy.disable();
    expect(lazy.warnings).toBe(1);
    // The count is a byte: it has wrapped around to 255, and the next enable is the 256th.
    lazy.enable();
    expect(lazy.warnings).toBe(2);
    expect(lazy.isEnabled()).toBe(false);

    lazy.resume();
    expect(lazy.warnings).toBe(3);
    lazy.pause();
    expect(lazy.warnings).toBe(4);

    for (let depth = 0; depth < 255; depth++) lazy.enable();
    expect(lazy.warnings).toBe(4);
    lazy.enable();
    expect(lazy.warnings).toBe(5);
  });

  it("belongs to the task, on any CPU", () => {
    const { machine, lazy } = recorded(arch, 2);
    const [cpu0, cpu1] = machine.cpus.all;
    const tasks = machine.get(Tasks);
    const task = tasks.create(undefined);
    tasks.switchTo(task);
    lazy.enable();
    machine.cpus.current = cpu1!;
    expect(lazy.isActive()).toBe(false);
    tasks.switchTo(task);
    expect(lazy.isActive()).toBe(true);
    machine.cpus.current = cpu0!;
    expect(lazy.isActive()).toBe(false);
    machine.cpus.current = cpu1!;
    lazy.disable();
    expect(lazy.isActive()).toBe(false);
    expect(lazy.warnings).toBe(0);
  });
});

/** The two counts as the kernel's text has them, without wrapping. */
interface Counts {
  enable: number;
  pause: number;
}

it("any sequence of matched calls enters and leaves exactly as the counts require", () => {
  const { lazy, log } = recorded("arm64-poe");
  const call = fc.constantFrom("enable", "disable", "pause", "resume");
  fc.assert(
    fc.property(fc.array(call, { maxLength: 60 }), (calls) => {
      const counts: Counts = { enable: 0, pause: 0 };
      const active = (): boolean => counts.enable > 0 && counts.pause === 0;
      const apply = (name: "enable" | "disable" | "pause" | "resume"): void => {
        const was = active();
        log.length = 0;
        lazy[name]();
        if (name === "pause") counts.pause++;
        else if (name === "resume") counts.pause--;
        else if (counts.pause === 0) counts.enable += name === "enable" ? 1 : -1;
        expect(lazy.isActive()).toBe(active());
        expect(names(log)).toEqual(was === active() ? [] : [active() ? "enter" : "leave"]);
      };
      for (const name of calls) {
        const unmatched =
          (name === "disable" && counts.pause === 0 && counts.enable === 0) ||
          (name === "resume" && counts.pause === 0);
        if (!unmatched) apply(name);
      }
      while (counts.pause > 0) apply("resume");
      while (counts.enable > 0) apply("disable");
      expect(lazy.warnings).toBe(0);
    }),
  );
});
