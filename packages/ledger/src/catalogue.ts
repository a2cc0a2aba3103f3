import { defineErrors, exitCode } from "@daruma/base";

export const ledgerErrors = defineErrors({
  LEDGER_E_USAGE: {
    summary: "ledgerd was started with wrong arguments.",
    remedy:
      "Start it as `ledgerd --store DIR --sockets DIR --host NAME --writers NAME,NAME [--checkpoint-entries N] [--checkpoint-seconds N] [--witness URL#VKEY] [--witness-file FILE] [--witness-command PROGRAM] [--accept-loss] [--exit-with-parent]`.",
    exit: exitCode.usage,
  },
  LEDGER_E_LOCKED: {
    summary: "A living ledgerd has the ledger open.",
    remedy:
      "Use that one through its sockets (`agentctl ledger export` gives a file to verify), or stop it first.",
    exit: exitCode.error,
  },
  LEDGER_E_READ_ONLY: {
    summary:
      "The ledger's directory cannot be written: permissions, a read-only file system, or a file in its place.",
    remedy: "Give ledgerd a directory that its user owns, on a file system mounted for writing.",
    exit: exitCode.error,
  },
  LEDGER_E_UNUSABLE: {
    summary: "The ledger could not be opened or read for a reason outside it (input/output error, no room).",
    remedy: "Check the disk and the directory named in the message, then start again.",
    exit: exitCode.error,
  },
  LEDGER_E_DAMAGED: {
    summary: "The stored ledger does not agree with itself: damage or tampering. Nothing was changed or cut.",
    remedy:
      "Keep a copy of the directory as evidence and run `agentctl ledger verify` on it; restore it from a backup. To go on without what does not verify, start ledgerd once with --accept-loss: the damaged files are set aside, and the ledger says what was lost.",
    exit: exitCode.verification,
  },
  LEDGER_E_WRITE_FAILED: {
    summary: "The entry could not be made durable (disk full, input/output error); it was not acknowledged.",
    remedy:
      "Make room on the disk or repair it; ledgerd goes on by itself once writing works. Append again then.",
    exit: exitCode.error,
  },
  LEDGER_E_OTHER_HOST: {
    summary: "The ledger in this directory belongs to a host of another name.",
    remedy: "Start ledgerd with that host's name, or with a directory of its own for this host.",
    exit: exitCode.error,
  },
  LEDGER_E_FORMAT: {
    summary: "The ledger was written in a format that this release does not know.",
    remedy: "Use the release that wrote it, or a newer one.",
    exit: exitCode.error,
  },
  LEDGER_E_BAD_REQUEST: {
    summary: "A request to the ledger has a missing, unknown or invalid field. Nothing was written.",
    remedy: "Correct the fields named in the message.",
    exit: exitCode.error,
  },
  LEDGER_E_TOO_LARGE: {
    summary: "An entry may have 256 KiB, as sent and as stored. Nothing was written.",
    remedy: "Put large data in a file and its digest in the entry.",
    exit: exitCode.error,
  },
  LEDGER_E_OUT_OF_ORDER: {
    summary:
      "An earlier append of the same outbox was not written, so this one would have taken its place. Nothing was written.",
    remedy: "Append again in order, starting with the one that was not written.",
    exit: exitCode.error,
  },
  LEDGER_E_INDEXING: {
    summary: "The ledger is still being indexed, and cannot be asked for some of its entries only.",
    remedy:
      "Try again in a moment; the message says how far it is. Appending and `agentctl ledger tail` without a filter go on meanwhile.",
    exit: exitCode.unreachable,
  },
  LEDGER_E_INDEX: {
    summary: "The index does not agree with the entries. The entries themselves are not in doubt.",
    remedy:
      "Make the index anew from the entries with `agentctl ledger reindex`. Where ledgerd has found it when it started, it does so by itself.",
    exit: exitCode.error,
  },
  LEDGER_E_STOPPING: {
    summary: "ledgerd is stopping; the entry was not written.",
    remedy: "Append again once it is back.",
    exit: exitCode.unreachable,
  },
  LEDGER_E_DISCONNECTED: {
    summary:
      "The connection to ledgerd ended before the answer or the end of the data. The outcome of a pending append is unknown.",
    remedy: "Connect again and repeat; an append with a key is never written twice.",
    exit: exitCode.unreachable,
  },
  LEDGER_E_KEY: {
    summary: "The key that signs checkpoints cannot be used, or a given public key is none.",
    remedy:
      "Restore the file named in the message from a backup, for its owner alone (mode 0600). If it is lost for good, start ledgerd once with --accept-loss: it makes another one and says so in the ledger; give that to auditors and witnesses. A public key is one line as `agentctl ledger key` prints it.",
    exit: exitCode.error,
  },
  LEDGER_E_WITNESS_FILE: {
    summary: "The file given as --witness cannot be read, or holds nothing that a witness knows.",
    remedy:
      "Give the public key of a witness (`ledgerd witness` prints it), the file of a file witness, a checkpoint that a witness serves, or an earlier export.",
    exit: exitCode.error,
  },
  LEDGER_E_WITNESS_RECORD: {
    summary:
      "What a witness has recorded of a log cannot be read: damage, or another key than it was made with.",
    remedy:
      "Restore the file named in the message from a backup. To begin anew would let the log rewrite all that this witness has seen.",
    exit: exitCode.verification,
  },
  LEDGER_E_WITNESS_UNREACHABLE: {
    summary: "A checkpoint could not be handed to a witness. The ledger goes on, and so do the attempts.",
    remedy:
      "Look at the witness named in the message: until it is back, nobody outside the host sees new entries.",
    exit: exitCode.unreachable,
  },
  LEDGER_E_WITNESS_REFUSED: {
    summary:
      "A witness does not take the ledger's checkpoint: it has seen another ledger than this one, or does not know its key.",
    remedy:
      "If it has seen more entries or others, this ledger was cut, rewritten or restored from an old image: keep a copy of its directory and compare exports. Otherwise give the witness the ledger's public key.",
    exit: exitCode.verification,
  },
  LEDGER_E_NO_PAYLOAD: {
    summary: "None of the entries has a payload: it never had one, or it was erased.",
    remedy:
      "Entries with one have a `payloadCommitment` in their details; what was erased, entries of the action `ledger.erase` tell.",
    exit: exitCode.error,
  },
  LEDGER_E_NOT_ERASED: {
    summary: "Payloads were deleted and cannot be read any more, but their bytes are still on the disk.",
    remedy:
      "Run the command again, which tries once more. A file in `damaged/` was set aside when a loss was accepted: delete it yourself.",
    exit: exitCode.error,
  },
  LEDGER_E_NOT_SIGNED: {
    summary: "Entries that no checkpoint is over are not pruned. Nothing was changed.",
    remedy:
      "Have a checkpoint signed, which `agentctl ledger export --out FILE` does, and keep the export: it holds what will be gone. Then try again.",
    exit: exitCode.error,
  },
  LEDGER_E_PRUNED: {
    summary: "What was asked for begins with entries that were pruned.",
    remedy: "Ask for what comes after them; earlier exports hold the rest.",
    exit: exitCode.error,
  },
  LEDGER_E_NOT_FOUND: {
    summary: "There is no ledger and no export at the path.",
    remedy: "Give the file that `agentctl ledger export` wrote, or ledgerd's --store directory.",
    exit: exitCode.usage,
  },
  LEDGER_E_UNVERIFIED: {
    summary: "A ledger or an export does not verify; the message names the first bad entry and why.",
    remedy: "Entries before the named one are intact. Compare with another export or a backup from there on.",
    exit: exitCode.verification,
  },
});
