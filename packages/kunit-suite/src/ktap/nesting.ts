import { DEEPEST, innermost, isComplete } from "./level.js";
import type { Levels } from "./level.js";
import type { ResultLine } from "./lines.js";

/**
 * Whether a result ends the innermost level. The kernel's parser ignores indentation: a subtest ends with the result that has its
 * name, or after the planned results. This function does the same, and uses indentation where names and plans do not decide.
 * @param levels - at least two
 * @param line - the result
 * @returns `own` for the result of that level, `other` for a result of an enclosing level, `none` if the level does not end
 */
export function endOf(levels: Levels, line: ResultLine): "own" | "other" | "none" {
  const level = innermost(levels);
  if (level.name !== undefined && line.name === level.name) return isNamesake(levels, line) ? "none" : "own";
  if (level.headless) return line.indent >= level.indent ? "none" : endOfHeadless(levels, line);
  const isExcess = line.indent === level.indent && isDeeper(levels);
  const isEnd = isComplete(level) ? !isExcess : isOutside(levels, line.indent);
  if (!isEnd) return "none";
  return level.name === undefined ? "own" : "other";
}

/** Whether a result is that of a subtest with the name of the enclosing test: indented like its siblings, with the next number. */
function isNamesake(levels: Levels, line: ResultLine): boolean {
  const level = innermost(levels);
  const isNext = line.test === level.tests.length + 1;
  return !isComplete(level) && line.indent === level.indent && isNext && isDeeper(levels);
}

/**
 * Whether a result that is indented less is that of the level without a header, or a result of an enclosing level. It is the latter if it
 * has the name of the enclosing level, or if its number continues the numbers of the inner tests.
 */
function endOfHeadless(levels: Levels, line: ResultLine): "own" | "other" {
  const level = innermost(levels);
  const around = levels.at(-2)!;
  const isNamed = around.name !== undefined && around.name === line.name;
  const first = around.tests.length + 1 + (around.offset ?? 0);
  return isNamed || line.test === first + level.tests.length ? "other" : "own";
}

/**
 * Whether a line is indented less than the results of the innermost level, which are indented more than the enclosing level.
 * @param levels - at least two
 * @param indent - indentation of the line, in columns
 */
export function isOutside(levels: Levels, indent: number): boolean {
  if (!isDeeper(levels)) return false;
  const { name, childIndent, indent: head } = innermost(levels);
  // Without a result the indentation of results is not known. A level with a name then ends by its name; one without a name ends at a line
  // that is indented less than its header.
  return indent < (childIndent ?? (name === undefined ? head : -1));
}

/**
 * Whether the innermost level is indented more than the enclosing one.
 * @param levels - at least two
 */
export function isDeeper(levels: Levels): boolean {
  return innermost(levels).indent > levels.at(-2)!.indent;
}

/**
 * Whether a level without a header may begin in the innermost level.
 * @param levels - at least one
 */
export function mayHoldBare(levels: Levels): boolean {
  return levels.length <= DEEPEST && (levels.length === 1 || innermost(levels).headless);
}
