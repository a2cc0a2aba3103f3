import type { DarumaError, Handler, Request } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import type { SignedCheckpoint } from "./checkpoint.ts";
import type { Checkpointer } from "./checkpointer.ts";
import { integerOf, knowOnly } from "./query.ts";
import { printNote, type Verifier } from "./signed-note.ts";
import type { Store } from "./store.ts";
import type { Witnesses, WitnessState } from "./witnesses.ts";

export interface ProofContext {
  readonly store: Store;
  readonly checkpointer: Checkpointer;
  readonly witnesses: Witnesses;
  readonly verifier: Verifier;
}

/** What `GET /v1/witnesses` answers. */
export interface WitnessesDocument {
  readonly schemaVersion: 1;
  readonly witnesses: readonly WitnessState[];
}

/** What `GET /v1/key` answers. */
export interface KeyDocument {
  readonly schemaVersion: 1;
  readonly origin: string;
  /** The public key as a vkey (C2SP signed-note). */
  readonly key: string;
}

/** What `GET` and `POST /v1/checkpoint` answer. */
export interface CheckpointDocument {
  readonly schemaVersion: 1;
  readonly size: number;
  /** The whole signed note. */
  readonly checkpoint: string;
}

/** What `GET /v1/proof/inclusion`, `GET /v1/proof/consistency` and `GET /v1/proof/prefix` answer. */
export interface ProofDocument {
  readonly schemaVersion: 1;
  /** Size of the tree that it leads to. */
  readonly size: number;
  /** Hashes in base64, in the order of RFC 6962. */
  readonly proof: readonly string[];
}

/** What anybody with a socket may ask about the tree. */
export function proofRoutes(context: ProofContext): Readonly<Record<string, Handler>> {
  const { store, checkpointer, witnesses, verifier } = context;
  return {
    "GET /v1/key": async (): Promise<KeyDocument> => ({
      schemaVersion: 1,
      origin: verifier.name,
      key: verifier.vkey,
    }),
    "GET /v1/checkpoint": async (request) => {
      knowOnly(request, ["size"]);
      const size = integerOf(request, "size", 1, store.checkpoint?.size ?? 0);
      return documentOf(size === store.checkpoint?.size ? store.checkpoint : await store.checkpointOf(size));
    },
    "POST /v1/checkpoint": async () => documentOf(await checkpointer.now()),
    "GET /v1/witnesses": async (): Promise<WitnessesDocument> => ({
      schemaVersion: 1,
      witnesses: witnesses.states,
    }),
    "GET /v1/proof/prefix": async (request) => {
      knowOnly(request, ["size"]);
      const size = sizeOf(request, "size", store);
      return proofOf(size, await store.tree().prefix(size));
    },
    "GET /v1/proof/inclusion": async (request) => {
      knowOnly(request, ["seq", "size"]);
      const size = sizeOf(request, "size", store);
      const seq = integerOf(request, "seq", 1, null);
      if (seq > size) throw badProof(`entry ${seq} is not among the first ${size}`);
      return proofOf(size, await store.tree().inclusion(seq - 1, size));
    },
    "GET /v1/proof/consistency": async (request) => {
      knowOnly(request, ["from", "to"]);
      const size = sizeOf(request, "to", store);
      const oldSize = integerOf(request, "from", 0, null);
      if (oldSize > size)
        throw badProof(`a ledger of ${oldSize} entries does not come before one of ${size}`);
      return proofOf(size, await store.tree().consistency(oldSize, size));
    },
  };
}

function documentOf(checkpoint: SignedCheckpoint | null): CheckpointDocument {
  if (checkpoint === null) throw badProof("there is no such checkpoint");
  return { schemaVersion: 1, size: checkpoint.size, checkpoint: printNote(checkpoint.note) };
}

function proofOf(size: number, proof: readonly Buffer[]): ProofDocument {
  return { schemaVersion: 1, size, proof: proof.map((hash) => hash.toString("base64")) };
}

/** By default the tree as it is now. */
function sizeOf(request: Request, name: string, store: Store): number {
  const { seq } = store.state.head;
  const size = integerOf(request, name, 0, seq);
  if (size > seq) throw badProof(`there are ${seq} entries, not ${size}`);
  return size;
}

function badProof(message: string): DarumaError {
  return ledgerErrors.make("LEDGER_E_BAD_REQUEST", message);
}
