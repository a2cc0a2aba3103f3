import {
  type CheckpointDocument,
  type EntryProof,
  entryLeaf,
  faultOfEntryProof,
  inclusionProof,
  type KeyDocument,
  parseVerifier,
} from "@daruma/ledger";
import { agentctlErrors } from "../catalogue.ts";
import type { LineageEdge, LineageGraph } from "./graph.ts";

export interface ProvenEdge extends LineageEdge {
  readonly proof: EntryProof;
}

/** A graph with all that is needed to verify it elsewhere: with the ledger's key from when the host could be trusted. */
export interface LineageDocument extends Omit<LineageGraph, "edges"> {
  readonly schemaVersion: 1;
  readonly root: string;
  readonly edges: readonly ProvenEdge[];
  /** The signed note that all proofs lead to. */
  readonly checkpoint: string;
  /** The key that ledgerd says is its own. */
  readonly key: string;
}

/**
 * Gets the inclusion proof of each edge, and checks it.
 *
 * @throws LINEAGE_E_UNPROVEN; what inclusionProof throws
 */
export async function proven(
  socket: string,
  edges: readonly LineageEdge[],
  { size, checkpoint }: CheckpointDocument,
  { key }: KeyDocument,
): Promise<readonly ProvenEdge[]> {
  const bySeq = new Map<number, EntryProof>();
  for (const { seq, entry } of edges) {
    if (bySeq.has(seq)) continue;
    const { proof: path } = await inclusionProof({ socket }, seq, size);
    const proof = { seq, leaf: entryLeaf(entry), size, path };
    const verifier = parseVerifier(key);
    const fault =
      verifier === null ? "its key is not readable" : faultOfEntryProof(entry, proof, checkpoint, verifier);
    if (fault !== null)
      throw agentctlErrors.make("LINEAGE_E_UNPROVEN", `entry ${seq} is not proven: ${fault}`);
    bySeq.set(seq, proof);
  }
  return edges.flatMap((edge) => {
    const proof = bySeq.get(edge.seq);
    return proof === undefined ? [] : [{ ...edge, proof }];
  });
}
