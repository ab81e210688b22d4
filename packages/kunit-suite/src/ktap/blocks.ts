import type { KtapLine } from "./lines.js";

/** Takes the lines of a console and finds the YAML blocks in them. */
export interface BlockFilter {
  /** Takes the next line. */
  push(line: KtapLine): void;
  /** Ends the block that is open: it has no end, so it is none. */
  close(): void;
}

/** A YAML block after a result, as far as it has been read. */
interface Block {
  readonly indent: number;
  readonly held: KtapLine[];
}

/** A longer YAML block has lost its end. */
const LONGEST_BLOCK = 1000;

/**
 * Makes a filter that gives the lines of a YAML block, from `---` after a result to `...`, on as log, whatever they look like.
 * @param take - takes the lines
 */
export function createBlockFilter(take: (line: KtapLine) => void): BlockFilter {
  let block: Block | undefined;
  /** Whether the last line was a result, so that a YAML block may follow. */
  let afterResult = false;

  function push(line: KtapLine): void {
    if (block !== undefined) hold(block, line);
    else if (afterResult && line.text === "---") block = { indent: line.indent, held: [line] };
    else {
      afterResult = line.kind === "result";
      take(line);
    }
  }

  /** Holds the lines of a block until its end shows that it is one. */
  function hold(open: Block, line: KtapLine): void {
    const isOther = line.kind === "version" || line.text === "---" || line.indent < open.indent;
    if (isOther || open.held.length >= LONGEST_BLOCK) {
      giveBack(open);
      push(line);
      return;
    }
    open.held.push(line);
    if (line.text !== "...") return;
    leave();
    for (const { number, indent, text } of open.held) take({ kind: "log", number, indent, text });
  }

  /** What looked like a block has no end: its lines are those of the document. */
  function giveBack({ held: [first, ...rest] }: Block): void {
    leave();
    take(first!);
    rest.forEach(push);
  }

  function leave(): void {
    block = undefined;
    afterResult = false;
  }

  return {
    push,
    close() {
      if (block !== undefined) giveBack(block);
    },
  };
}
