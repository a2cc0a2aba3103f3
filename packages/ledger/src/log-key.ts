import { ledgerErrors } from "./catalogue.ts";
import {
  isSignedBy,
  originOf,
  parseCheckpoint,
  type SignedCheckpoint,
  signCheckpoint,
} from "./checkpoint.ts";
import { appendLoss } from "./loss-entry.ts";
import { keyType, type Signer } from "./signed-note.ts";
import { createKey, keepPublicKey, keyPaths, readKey } from "./signing-key.ts";
import type { Store } from "./store.ts";

/**
 * The key that signs this ledger's checkpoints; made at the first start. Where it is lost, to make another one silently
 * would let anybody replace it: that takes `acceptsLoss`, and is said in the ledger.
 *
 * @throws LEDGER_E_KEY, LEDGER_E_WRITE_FAILED
 */
export async function logSigner(store: Store, acceptsLoss: boolean): Promise<Signer> {
  const { directory, host } = store;
  const place = { directory, name: originOf(host), type: keyType.note };
  const found = await readKey(place);
  const fault = faultOf(found, store.checkpoint);
  if (fault !== null && !acceptsLoss) throw unusable(directory, fault);
  const signer = found ?? (await createKey(place));
  await keepPublicKey(directory, signer);
  if (fault !== null) await beginAnew(store, signer, fault);
  return signer;
}

function faultOf(signer: Signer | null, last: SignedCheckpoint | null): string | null {
  if (last === null) return null;
  if (signer === null) return "it is missing, but checkpoints were signed";
  if (isSignedBy(last, signer.verifier)) return null;
  return `it has not signed the last checkpoint, over ${last.size} entries`;
}

/** Goes on with another key. What the old one has signed stays, and stays true; the new one signs all of it at once. */
async function beginAnew(store: Store, signer: Signer, fault: string): Promise<void> {
  const why = `the key that signed before is lost: ${fault}`;
  const signed = store.checkpoint?.size ?? 0;
  await appendLoss(store, { lost: null, lostHead: null, signed, why, setAside: null, key: "replaced" });
  const { seq: size } = store.state.head;
  const root = await store.tree().root(size);
  const checkpoint = parseCheckpoint(signCheckpoint(signer, { origin: originOf(store.host), size, root }));
  if (checkpoint !== null) await store.putCheckpoint(checkpoint);
}

function unusable(directory: string, why: string) {
  const file = keyPaths(directory).private;
  return ledgerErrors.make("LEDGER_E_KEY", `the signing key ${file} cannot be used: ${why}`, { where: file });
}
