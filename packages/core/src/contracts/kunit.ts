import type { PluginOptions } from "./plugin.js";
import { token } from "./token.js";
import type { Token } from "./token.js";

/** What a KUnit case has at hand: expectations, assertions and the machine's contracts. */
export interface KunitTest {
  /**
   * A contract of the machine under test.
   * @param token - the contract's token
   */
  get<T>(token: Token<T>): T;
  /** Prints a diagnostic line before the case's result: `pr_debug`. @param line - one line */
  log(line: string): void;
  /** `kunit_skip`: ends the case as skipped. @param reason - the kernel's words */
  skip(reason: string): never;
  /** `KUNIT_EXPECT_EQ_MSG`: notes a failure and goes on. @param left - actual @param right - expected @param message - shown if they differ */
  expectEq(left: number, right: number, message: string): void;
  /** `KUNIT_ASSERT_EQ_MSG`: a failure ends the case. @param left - actual @param right - expected @param message - shown if they differ */
  assertEq(left: number, right: number, message: string): void;
  /** `KUNIT_ASSERT_NE_MSG`. @param left - actual @param right - what it must not be @param message - shown if they are equal */
  assertNe(left: number, right: number, message: string): void;
  /** `KUNIT_ASSERT_NOT_NULL_MSG`. @param value - what must be there @param message - shown if it is not */
  assertNotNull<T>(value: T | undefined, message: string): asserts value is T;
  /** `kunit_add_action`: runs at the end of the case, last added first. @param action - the clean-up */
  defer(action: () => void): void;
}

/** One case of a suite. */
export interface KunitCase {
  /** The name of the kernel's function. */
  readonly name: string;
  /** The config symbol without which it is not compiled, without its `CONFIG_`: an `#ifdef`. Left out, it always is. */
  readonly config?: string;
  /** Runs it. @param test - what it has at hand */
  run(test: KunitTest): void;
}

/** A suite of cases. */
export interface KunitSuite {
  /** The name that KUnit prints. */
  readonly name: string;
  /** The config symbol that builds it in, without its `CONFIG_`. Left out, it is there whenever its plugin is. */
  readonly config?: string;
  /** Its cases, in the order in which they run. */
  readonly cases: readonly KunitCase[];
}

/**
 * Options of KUnit suites by suite, from the machine's specification: which form a suite has that changed from version to version.
 */
export type KunitOptions = Readonly<Record<string, PluginOptions>>;

/** Token of {@link KunitOptions}. */
export const KunitOptions: Token<KunitOptions> = token("KunitOptions");
