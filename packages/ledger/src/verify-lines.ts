import { maxEntryBytes } from "./entry.ts";
import { EvidenceVerifier } from "./evidence.ts";
import { parseProofLine } from "./export-format.ts";
import { LineSplitter } from "./lines.ts";
import type { Segment } from "./segment.ts";
import { noTrust, type Trust } from "./trust.ts";
import type { Verification } from "./verification.ts";
import { tooLong } from "./verify.ts";

/** Looks at many lines at once, elsewhere. */
export interface BlockChecker {
  /** How many blocks it can have under way. */
  readonly depth: number;
  check(block: Uint8Array): Promise<Segment | null>;
}

/** For those who have nobody to help: each line is looked at here. */
const noChecker: BlockChecker = { depth: 1, check: async () => null };

const newline = 0x0a;

/**
 * Verifies an export: JSON lines, each the stored bytes of one entry or a line of proof, and a newline. Stops reading at the
 * first bad one. What a checker says of a block is taken only where it is good news; the rest is looked at line by line.
 */
export async function verifyLines(
  chunks: AsyncIterable<Buffer>,
  trust: Trust = noTrust,
  checker: BlockChecker = noChecker,
): Promise<Verification> {
  const verifier = new EvidenceVerifier(trust);
  const splitter = new LineSplitter(maxEntryBytes, {
    onLine: (bytes) => {
      const proof = parseProofLine(bytes);
      if (proof === null) verifier.push(bytes);
      else verifier.proof(proof);
    },
    onTooLong: () => void verifier.fail(tooLong.reason, tooLong.message),
  });
  const blocks = new Blocks();
  const underWay: { readonly block: Buffer; readonly segment: Promise<Segment | null> }[] = [];
  const settle = async () => {
    const next = underWay.shift();
    if (next === undefined) return;
    const segment = await next.segment;
    if (segment === null || !verifier.acceptSegment(segment)) splitter.push(next.block);
    if (splitter.unfinishedBytes === 0) blocks.free(next.block);
  };
  for await (const block of wholeLines(chunks, blocks)) {
    underWay.push({ block, segment: checker.check(block) });
    while (underWay.length >= checker.depth) await settle();
    if (verifier.bad !== null) return verifier.finish();
  }
  while (underWay.length > 0) await settle();
  if (splitter.unfinishedBytes > 0) {
    verifier.fail("truncated", "the last line has no newline at its end: the export was cut");
  }
  return verifier.finishExport();
}

/** The same bytes, cut behind the last newline of each chunk, unless a line is too long anyway. */
async function* wholeLines(
  chunks: AsyncIterable<Buffer>,
  blocks: Blocks,
): AsyncGenerator<Buffer, void, undefined> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(newline) + 1;
    if (end > 0 || rest.length > maxEntryBytes) {
      const upTo = end > 0 ? end : chunk.length;
      yield blocks.take(rest, chunk.subarray(0, upTo));
      rest = Buffer.from(chunk.subarray(upTo));
    } else {
      rest = Buffer.concat([rest, chunk]);
    }
  }
  if (rest.length > 0) yield blocks.take(rest);
}

/** Memory that other threads see: nothing is copied for them, and none is taken anew for each block. */
class Blocks {
  readonly #free: SharedArrayBuffer[] = [];

  take(...pieces: readonly Buffer[]): Buffer {
    const bytes = pieces.reduce((sum, { length }) => sum + length, 0);
    const last = this.#free.pop();
    const memory =
      last !== undefined && last.byteLength >= bytes ? last : new SharedArrayBuffer(bytes + roomToSpare);
    const block = Buffer.from(memory, 0, bytes);
    let at = 0;
    for (const piece of pieces) at += piece.copy(block, at);
    return block;
  }

  /** Nobody may look at the block any more, nor at a part of it. */
  free(block: Buffer): void {
    if (block.buffer instanceof SharedArrayBuffer) this.#free.push(block.buffer);
  }
}

/** Blocks differ by what lies behind the last newline. */
const roomToSpare = 16 * 1024;
