import { type DarumaError, messageOf } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import type { Head } from "./entry.ts";

export function writeFailed(cause: unknown, afterwards?: unknown): DarumaError {
  const why =
    afterwards === undefined ? "" : "; whether it was written shows once the ledger can be opened again";
  const message = `the ledger cannot write (${messageOf(cause)})${why}`;
  return ledgerErrors.make("LEDGER_E_WRITE_FAILED", message, { cause: afterwards ?? cause });
}

export function unreadable(directory: string): DarumaError {
  return ledgerErrors.make(
    "LEDGER_E_UNUSABLE",
    `the ledger in ${directory} cannot be read until it can be written again`,
    { where: directory },
  );
}

export function endsElsewhere(directory: string, found: Head, expected: Head): DarumaError {
  const message = `after a failed write the ledger in ${directory} ends at entry ${found.seq}, not at ${expected.seq}`;
  return ledgerErrors.make("LEDGER_E_DAMAGED", message, { where: directory });
}
