import { ledgerErrors } from "./catalogue.ts";
import { isSignedBy, originOf } from "./checkpoint.ts";
import { keyType, type Signer } from "./signed-note.ts";
import { createKey, keepPublicKey, keyPaths, readKey } from "./signing-key.ts";
import type { Store } from "./store.ts";

/**
 * The key that signs this ledger's checkpoints; made at the first start. Whoever lost it cannot go on as the same log: to
 * make another one silently would let anybody replace it.
 *
 * @throws LEDGER_E_KEY
 */
export async function logSigner(store: Store): Promise<Signer> {
  const { directory, host, checkpoint } = store;
  const place = { directory, name: originOf(host), type: keyType.note };
  const found = await readKey(place);
  if (found === null && checkpoint !== null)
    throw unusable(directory, "it is missing, but checkpoints were signed");
  const signer = found ?? (await createKey(place));
  if (checkpoint !== null && !isSignedBy(checkpoint, signer.verifier)) {
    throw unusable(directory, `it has not signed the last checkpoint, over ${checkpoint.size} entries`);
  }
  await keepPublicKey(directory, signer);
  return signer;
}

function unusable(directory: string, why: string) {
  const file = keyPaths(directory).private;
  return ledgerErrors.make("LEDGER_E_KEY", `the signing key ${file} cannot be used: ${why}`, { where: file });
}
