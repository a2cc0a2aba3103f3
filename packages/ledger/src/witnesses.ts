import type { DarumaError } from "@daruma/base";
import type { SignedCheckpoint } from "./checkpoint.ts";
import type { Committer } from "./committer.ts";
import { type Backoff, HandOver, type WitnessPort } from "./hand-over.ts";
import { commandWitness, fileWitness } from "./local-witnesses.ts";
import type { NoteSignature, Verifier } from "./signed-note.ts";
import type { Store } from "./store.ts";
import { httpWitness } from "./witness-client.ts";

/** A witness as it is configured. */
export type WitnessSpec =
  | { readonly kind: "http"; readonly url: string; readonly verifier: Verifier }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "command"; readonly program: string };

export interface WitnessesOptions {
  readonly store: Store;
  readonly committer: Committer;
  readonly specs: readonly WitnessSpec[];
  /** Told once when a witness begins to fail, when the reason changes, and with `null` when it works again. */
  readonly onTrouble: (error: DarumaError | null, witness: string) => void;
  readonly onProblem: (error: unknown) => void;
  readonly backoff?: Backoff;
}

/** How a witness stands, as `GET /v1/witnesses` tells it. */
export interface WitnessState {
  readonly name: string;
  /** How many entries the checkpoint covers that it has taken last. */
  readonly size: number;
  /** Why it takes no more; `null` if all is well. */
  readonly trouble: string | null;
}

/** All witnesses of a ledger. What they take is stored, so that an export can show it and the next start goes on there. */
export class Witnesses {
  readonly #options: WitnessesOptions;
  readonly #handOvers: readonly HandOver[];

  constructor(options: WitnessesOptions) {
    this.#options = options;
    const { store, specs, onTrouble, onProblem, backoff } = options;
    const ports = specs.map((spec) => portOf(spec, store));
    this.#handOvers = ports.map(
      (witness) =>
        new HandOver({
          witness,
          known: store.witnessed.get(witness.name) ?? 0,
          onTaken: (checkpoint, cosignature) => this.#keep(witness.name, checkpoint, cosignature),
          onTrouble,
          onProblem,
          ...(backoff === undefined ? {} : { backoff }),
        }),
    );
  }

  /** Every one that has ever taken a checkpoint, configured now or not. */
  get states(): readonly WitnessState[] {
    const now = this.#handOvers.map(({ name, taken, trouble }) => ({ name, size: taken, trouble }));
    const names = new Set(now.map(({ name }) => name));
    const earlier = [...this.#options.store.witnessed].filter(([name]) => !names.has(name));
    return [...now, ...earlier.map(([name, size]) => ({ name, size, trouble: null }))];
  }

  offer(checkpoint: SignedCheckpoint): void {
    for (const handOver of this.#handOvers) handOver.offer(checkpoint);
  }

  async stop(withinMs: number): Promise<void> {
    await Promise.all(this.#handOvers.map((handOver) => handOver.stop(withinMs)));
  }

  async #keep(name: string, { size }: SignedCheckpoint, cosignature: NoteSignature | null): Promise<void> {
    const { store, committer } = this.#options;
    await committer.between(async () => {
      const checkpoint = await store.checkpointOf(size);
      if (checkpoint === null) throw new Error(`the checkpoint over ${size} entries is not stored`);
      await store.putCheckpoint(addSignature(checkpoint, cosignature), name);
    });
  }
}

function portOf(spec: WitnessSpec, store: Store): WitnessPort {
  switch (spec.kind) {
    case "file":
      return fileWitness(spec.path);
    case "command":
      return commandWitness(spec.program);
    case "http":
      return httpWitness({ ...spec, prove: (oldSize, size) => store.tree().consistency(oldSize, size) });
  }
}

function addSignature(checkpoint: SignedCheckpoint, signature: NoteSignature | null): SignedCheckpoint {
  const { text, signatures } = checkpoint.note;
  if (signature === null || signatures.some(({ line }) => line === signature.line)) return checkpoint;
  return { ...checkpoint, note: { text, signatures: [...signatures, signature] } };
}
