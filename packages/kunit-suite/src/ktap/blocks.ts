import type { KtapLine } from "./lines.js";

/** A YAML block after a result, up to the current line. */
interface Block {
  readonly indent: number;
  readonly lines: KtapLine[];
}

/** Most lines of a YAML block. A longer one has lost its end. */
const LONGEST_BLOCK = 1000;

/**
 * Finds the YAML blocks in the lines of a console: from `---` after a result to `...`. It passes the lines of a block on as log
 * lines, and all other lines unchanged.
 */
export class BlockFilter {
  private block: Block | undefined;
  /** Whether the last line was a result, so that a YAML block may follow. */
  private afterResult = false;

  /** @param pass - receives the lines */
  constructor(private readonly pass: (line: KtapLine) => void) {}

  /** Reads the next line. */
  push(line: KtapLine): void {
    if (this.block !== undefined) this.pushInBlock(this.block, line);
    else if (this.afterResult && line.text === "---") this.block = { indent: line.indent, lines: [line] };
    else {
      this.afterResult = line.kind === "result";
      this.pass(line);
    }
  }

  /** Ends the input. A block that is still open has no end, so its lines are not a block. */
  close(): void {
    if (this.block !== undefined) this.release(this.block);
  }

  /** Keeps the lines of a block until its end is found. */
  private pushInBlock(block: Block, line: KtapLine): void {
    const isOther = line.kind === "version" || line.text === "---" || line.indent < block.indent;
    if (isOther || block.lines.length >= LONGEST_BLOCK) {
      this.release(block);
      this.push(line);
      return;
    }
    block.lines.push(line);
    if (line.text !== "...") return;
    this.leave();
    for (const { number, indent, text } of block.lines) this.pass({ kind: "log", number, indent, text });
  }

  /** Passes the lines of a block without an end on, as lines of the document. */
  private release({ lines: [first, ...rest] }: Block): void {
    this.leave();
    this.pass(first!);
    for (const line of rest) this.push(line);
  }

  private leave(): void {
    this.block = undefined;
    this.afterResult = false;
  }
}
