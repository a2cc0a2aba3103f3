import { ledgerErrors } from "./catalogue.ts";
import { type Entry, emptyHead, type Head } from "./entry.ts";
import { printCheckpointLine, printGap, printSelection, type Selection } from "./export-format.ts";
import { coverOf, Frontier, leafHash } from "./merkle.ts";
import type { StoredEntry } from "./reader.ts";

export interface ExportOptions {
  readonly selection: Selection;
  /** The largest must be over all entries that are given. */
  readonly checkpoints: readonly { readonly size: number; readonly checkpoint: string }[];
  /** What stands for the first `size` entries, which were pruned and are not among those that are given. */
  readonly pruned?: Prefix | undefined;
}

/** As ledgerd proves it: `proof` are hashes in base64. */
export interface Prefix {
  readonly size: number;
  readonly proof: readonly string[];
}

const blockCharacters = 64 * 1024;

/**
 * Makes an export of all entries of a ledger, given in order from the first that is left: what is selected of them, the hashes that stand for
 * what is left out, and the checkpoints where they belong.
 */
export class ExportWriter {
  readonly #selector: Selector;
  readonly #checkpoints: ReadonlyMap<number, string>;
  #text: string;
  #gap: { readonly from: number; readonly leaves: Frontier } | null = null;
  /** Whether it is the one before a range shows with the next. */
  #held: StoredEntry | null = null;
  #written = 0;
  #last: Head = emptyHead;

  constructor({ selection, checkpoints, pruned }: ExportOptions) {
    this.#selector = new Selector(selection);
    this.#checkpoints = new Map(checkpoints.map(({ size, checkpoint }) => [size, checkpoint]));
    this.#text = Object.keys(selection).length === 0 ? "" : printSelection(selection);
    if (pruned === undefined || pruned.size === 0) return;
    this.#last = { seq: pruned.size, hash: emptyHead.hash };
    this.#text += printGap({ from: 1, to: pruned.size, nodes: nodesOf(pruned) });
    this.#printCheckpoint(pruned.size);
  }

  /** Entries in the export so far. */
  get written(): number {
    return this.#written;
  }

  /** The last entry that it has seen. */
  get last(): Head {
    return this.#last;
  }

  /**
   * The export, in blocks of whole lines.
   *
   * @throws LEDGER_E_PRUNED if entries are missing; what `entries` throws
   */
  async *blocks(entries: AsyncIterable<StoredEntry>): AsyncGenerator<string, void, undefined> {
    for await (const stored of entries) {
      this.#take(stored);
      if (this.#text.length < blockCharacters) continue;
      yield this.#text;
      this.#text = "";
    }
    // The range begins after the last entry: that is its edge, and all that there is to show.
    this.#release(true);
    if (this.#text !== "") yield this.#text;
    this.#text = "";
  }

  #take(stored: StoredEntry): void {
    const { seq } = stored.entry;
    if (seq !== this.#last.seq + 1) {
      const message = `entry ${seq} comes where ${this.#last.seq + 1} should: the ledger was pruned meanwhile`;
      throw ledgerErrors.make("LEDGER_E_PRUNED", message, { hint: "Export again." });
    }
    const choice = this.#selector.choose(stored.entry);
    this.#release(choice !== "perhaps-edge");
    if (choice === "perhaps-edge") this.#held = stored;
    else this.#put(stored, choice === "in");
    this.#last = { seq: stored.entry.seq, hash: stored.entry.hash };
  }

  #release(isIn: boolean): void {
    if (this.#held !== null) this.#put(this.#held, isIn);
    this.#held = null;
  }

  #put({ entry: { seq }, line }: StoredEntry, isIn: boolean): void {
    if (isIn) {
      this.#endGap(seq - 1);
      this.#text += `${line}\n`;
      this.#written += 1;
    } else {
      this.#gap ??= { from: seq, leaves: new Frontier(seq - 1) };
      this.#gap.leaves.push(leafHash(line));
    }
    this.#printCheckpoint(seq);
  }

  #printCheckpoint(size: number): void {
    const checkpoint = this.#checkpoints.get(size);
    if (checkpoint === undefined) return;
    this.#endGap(size);
    this.#text += printCheckpointLine(checkpoint);
  }

  #endGap(to: number): void {
    if (this.#gap !== null)
      this.#text += printGap({ from: this.#gap.from, to, nodes: this.#gap.leaves.hashes });
    this.#gap = null;
  }
}

function nodesOf({ size, proof }: Prefix): readonly Buffer[] {
  const nodes = proof.map((node) => Buffer.from(node, "base64"));
  if (nodes.length === coverOf({ from: 0, to: size }).length) return nodes;
  throw new Error(`${nodes.length} hashes do not stand for ${size} entries`);
}

type Choice = "in" | "out" | "perhaps-edge";

/**
 * A range begins with the first entry that is not before `since`, and ends before the first one after that is later than
 * `until`: the order is that of the entries, whatever the clock did. Of a range without other conditions, the entries just
 * outside belong in the export too, for they show that it is whole.
 */
class Selector {
  readonly #selection: Selection;
  readonly #showsEdges: boolean;
  #state: "before" | "within" | "after" = "before";

  constructor(selection: Selection) {
    this.#selection = selection;
    const { since, until, actor, action, subject } = selection;
    const isRange = since !== undefined || until !== undefined;
    this.#showsEdges = isRange && actor === undefined && action === undefined && subject === undefined;
  }

  choose(entry: Entry): Choice {
    const { since, until } = this.#selection;
    if (this.#state === "before" && (since === undefined || entry.time >= since)) this.#state = "within";
    if (this.#state === "before") return this.#showsEdges ? "perhaps-edge" : "out";
    if (this.#state === "after") return "out";
    if (until === undefined || entry.time <= until) return this.#matches(entry) ? "in" : "out";
    this.#state = "after";
    return this.#showsEdges ? "in" : "out";
  }

  #matches(entry: Entry): boolean {
    const { actor, action, subject } = this.#selection;
    return (
      (actor === undefined || entry.actor === actor) &&
      (action === undefined || entry.action === action) &&
      (subject === undefined || entry.subject === subject)
    );
  }
}
