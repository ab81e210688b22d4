import type { Plugin, PluginOptions } from "@kpkeys/core/contracts";
import type { KernelPolicies, Machine } from "@kpkeys/kernel";

/**
 * What found a bug.
 *
 * - `oops` — the kernel itself faulted, and the architecture's report says where
 * - `coverage scanner` — the walk of all tables from the live roots found a table page that is open
 * - `attack` — a store that the hardening should have stopped went through
 * - `key register` — its value is not the one that it should be
 * - `counters` — the kernel did not do what its numbers were taken to measure
 * - `errno` — a service took what it should have refused, or refused what it should have done
 * - `target check` — the word that a test writes was looked for among the table pages that the scan finds
 */
export type Detector = "oops" | "coverage scanner" | "attack" | "key register" | "counters" | "errno" | "target check";

/** The two sides of an exhibit: the behaviour that was, and the one that mended it. */
export type SideName = "red" | "green";

/** In what a machine of the museum differs from one with everything at its usual value: plain JSON. */
export interface Policies {
  /** Options of the architecture's plugin, whichever it is. */
  readonly arch?: PluginOptions;
  /** Options of the feature that protects page tables. */
  readonly pgtables?: PluginOptions;
  /** What the kernel does. */
  readonly kernel?: KernelPolicies;
  /** Number of CPUs. Default 1. */
  readonly cpus?: number;
}

/** What a run came to. */
export interface Finding {
  /** Whether the bug showed. */
  readonly seen: boolean;
  /** Why that is known: the fault report or the scanner's finding of this very run, in lines. */
  readonly evidence: string;
}

/** What a scenario has at hand. */
export interface Scene {
  /** A machine of this run's own, booted. */
  readonly machine: Machine;
  /**
   * Says what happens next; what the machine then does with its key register stands below it in the trace.
   * @param text - one line
   */
  readonly step: (text: string) => void;
}

/** One side of an exhibit. */
export interface Side {
  /** Policies on top of the exhibit's. */
  readonly policies?: Policies;
  /** Feature plugins that put the old behaviour in the place of a contract's implementation; before all other features. */
  readonly variants?: readonly Plugin[];
  /** The scenario. @param scene - what it has at hand @returns what came of it */
  readonly run: (scene: Scene) => Finding;
}

/**
 * A bug of the series, as it can be seen: the red side has the old behaviour and shows it, the green side is the product as it
 * ships, or as the version that mended it has it, and does not.
 */
export interface Exhibit {
  /** Lower case letters, digits and hyphens. */
  readonly id: string;
  /** One line. */
  readonly title: string;
  /** The version that had it and the one that mended it: `v2→v3`. */
  readonly series: string;
  /** Ids of the architectures that it applies to; all that there are if left out. */
  readonly arches?: readonly string[];
  /** Who told of it where. */
  readonly citation: string;
  /** The mechanism. */
  readonly story: string;
  /** What mended it. */
  readonly fix: string;
  /** What finds it here. */
  readonly detector: Detector;
  /** Ids of the features that its machines have beside the one of page tables. */
  readonly features?: readonly string[];
  /** Policies of both sides. */
  readonly policies?: Policies;
  /** The old behaviour. */
  readonly red: Side;
  /** The mended one. */
  readonly green: Side;
}
