import type { PluginOptions } from "./plugin.js";
import { token } from "./token.js";
import type { Token } from "./token.js";

/** The context of a running KUnit case: expectations, assertions and the contracts of the machine. */
export interface KunitTest {
  /**
   * A contract of the machine under test.
   * @param token - the contract's token
   */
  get<T>(token: Token<T>): T;
  /** Prints a diagnostic line before the case's result: `pr_debug`. @param line - one line */
  log(line: string): void;
  /** `kunit_skip`: ends the case as skipped. @param reason - the kernel's text */
  skip(reason: string): never;
  /** `KUNIT_EXPECT_EQ_MSG`: records a failure and continues. @param left - actual @param right - expected @param message - shown if they differ */
  expectEq(left: number, right: number, message: string): void;
  /** `KUNIT_ASSERT_EQ_MSG`: a failure ends the case. @param left - actual @param right - expected @param message - shown if they differ */
  assertEq(left: number, right: number, message: string): void;
  /** `KUNIT_ASSERT_NE_MSG`. @param left - actual @param right - the value that it must differ from @param message - shown if they are equal */
  assertNe(left: number, right: number, message: string): void;
  /** `KUNIT_ASSERT_NOT_NULL_MSG`. @param value - the value @param message - shown if it is undefined */
  assertNotNull<T>(value: T | undefined, message: string): asserts value is T;
  /** `kunit_add_action`: runs at the end of the case, in reverse order. @param action - the clean-up */
  defer(action: () => void): void;
}

/** One case of a suite. */
export interface KunitCase {
  /** The name of the kernel's function. */
  readonly name: string;
  /** The config symbol of its `#ifdef`, without `CONFIG_`. Always compiled if left out. */
  readonly config?: string;
  /** Runs it. @param test - the context of the case */
  run(test: KunitTest): void;
}

/** A suite of cases. */
export interface KunitSuite {
  /** The name that KUnit prints. */
  readonly name: string;
  /** The config symbol that builds it, without `CONFIG_`. Built with its plugin if left out. */
  readonly config?: string;
  /** Its cases, in the order in which they run. */
  readonly cases: readonly KunitCase[];
}

/**
 * Options of KUnit suites, by suite, from the machine's specification. They select the form of a suite that differs between versions.
 */
export type KunitOptions = Readonly<Record<string, PluginOptions>>;

/** Token of {@link KunitOptions}. */
export const KunitOptions: Token<KunitOptions> = token("KunitOptions");
