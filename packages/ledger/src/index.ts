export { faultsOfDetails } from "./action-faults.ts";
export { actions as ledgerActions } from "./actions.ts";
export { actionsReference } from "./actions-reference.ts";
export { ledgerErrors } from "./catalogue.ts";
export {
  type Appended,
  type AppendRequest,
  type ConnectOptions,
  connectLedger,
  type LedgerConnection,
  ledgerStatus,
} from "./client.ts";
export { type Entry, type EntryDraft, type Head, type JsonObject, maxEntryBytes } from "./entry.ts";
export { type EntryProof, entryLeaf, faultOfEntryProof } from "./entry-proof.ts";
export { erasedAtOnce } from "./erasure.ts";
export { type ExportOptions, ExportWriter } from "./export.ts";
export { type Selection, selectionFields } from "./export-format.ts";
export { type EntryFilter, faultOfFilter, filterNames } from "./filter.ts";
export type { OutboxKey } from "./group.ts";
export { commitmentIn, faultOfOpening, faultOfPayload, type Opening } from "./payload.ts";
export { eraseLedgerPayloads, ledgerPayload } from "./payload-client.ts";
export type { ErasedDocument, PayloadDocument } from "./payload-routes.ts";
export {
  compareLedgerIndex,
  consistencyProof,
  inclusionProof,
  ledgerCheckpoint,
  ledgerKey,
  ledgerValues,
  ledgerWitnesses,
  prefixProof,
  renewLedgerIndex,
  signLedger,
} from "./proof-client.ts";
export type { CheckpointDocument, KeyDocument, ProofDocument, WitnessesDocument } from "./proof-routes.ts";
export { ledgerPrunePlan, pruneLedger } from "./prune-client.ts";
export type { PrunedDocument, PrunePlanDocument } from "./prune-routes.ts";
export { type ReadOptions, readEntries, type StoredEntry } from "./reader.ts";
export { type DataRecord, faultOfRecord, parseRecordSubject, recordSubject } from "./record.ts";
export { compareDirectoryIndex, type ReindexOptions, reindexDirectory } from "./reindex.ts";
export { agentActor, operatorWriter } from "./request.ts";
export { type Ledgerd, type LedgerdOptions, type LedgerStatus, startLedgerd } from "./server.ts";
export { parseVerifier, type Verifier as LogVerifier } from "./signed-note.ts";
export { noTrust, type Trust, type TrustLevel, type WitnessRecord } from "./trust.ts";
export { readVerifier, readWitnessFile } from "./trust-files.ts";
export type { Verification, WitnessedSize } from "./verification.ts";
export {
  type BadEntry,
  type BadReason,
  type ChainVerification,
  ChainVerifier,
} from "./verify.ts";
export { verifyDirectory } from "./verify-directory.ts";
export { verifyExport, verifyPath } from "./verify-export.ts";
export { startWitness, type Witness, type WitnessOptions } from "./witness-server.ts";
export type { WitnessSpec, WitnessState } from "./witnesses.ts";
