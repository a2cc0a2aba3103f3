import { maxEntryBytes } from "./entry.ts";
import { EvidenceVerifier, type Verification } from "./evidence.ts";
import { parseProofLine } from "./export-format.ts";
import { LineSplitter } from "./lines.ts";
import { noTrust, type Trust } from "./trust.ts";
import { tooLong } from "./verify.ts";

/**
 * Verifies an export: JSON lines, each the stored bytes of one entry or a line of proof, and a newline. Stops reading at the
 * first bad one.
 */
export async function verifyLines(
  chunks: AsyncIterable<Buffer>,
  trust: Trust = noTrust,
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
  for await (const chunk of chunks) {
    splitter.push(chunk);
    if (verifier.bad !== null) return verifier.finish();
  }
  if (splitter.unfinishedBytes > 0) {
    verifier.fail("truncated", "the last line has no newline at its end: the export was cut");
  }
  return verifier.finishExport();
}
