import { messageOf } from "@daruma/base";
import type { SignedCheckpoint } from "./checkpoint.ts";
import { refused, unreachable, type WitnessPort } from "./hand-over.ts";
import type { TreeHash } from "./merkle.ts";
import { type NoteSignature, parseNote, printNote, type Verifier, verifyNote } from "./signed-note.ts";
import { printAddCheckpoint } from "./witness.ts";

export interface HttpWitnessOptions {
  /** Submission prefix, without a slash at its end. */
  readonly url: string;
  readonly verifier: Verifier;
  /** Proves that the tree of `size` leaves begins with that of `oldSize`. */
  readonly prove: (oldSize: number, size: number) => Promise<readonly TreeHash[]>;
}

const timeoutMs = 30_000;
const maxAnswerBytes = 64 * 1024;

/** A witness that speaks https://c2sp.org/tlog-witness. */
export function httpWitness({ url, verifier, prove }: HttpWitnessOptions): WitnessPort {
  const { name } = verifier;
  const post = async (checkpoint: SignedCheckpoint, known: number, signal: AbortSignal) => {
    const proof = await prove(known, checkpoint.size);
    const body = printAddCheckpoint(known, proof, printNote(checkpoint.note));
    try {
      const response = await fetch(`${url}/add-checkpoint`, {
        method: "POST",
        body,
        redirect: "error",
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      return { status: response.status, text: await readText(response) };
    } catch (cause) {
      const reason = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause;
      throw unreachable(name, `no answer from ${url}: ${messageOf(reason)}`, cause);
    }
  };
  return {
    name,
    take: async (checkpoint, known, signal) => {
      let answer = await post(checkpoint, known, signal);
      if (answer.status === 409) {
        const size = sizeIn(answer.text);
        if (size === null) throw unreachable(name, "it did not say how far it is");
        if (size > checkpoint.size) {
          throw refused(
            name,
            `it has seen ${size} entries, here are ${checkpoint.size}: some were lost or removed`,
          );
        }
        answer = await post(checkpoint, size, signal);
      }
      const { status, text } = answer;
      if (status === 200) return cosignatureIn(text, checkpoint, verifier);
      if (status === 422)
        throw refused(name, `the entries are not those that it has seen (${firstLine(text)})`);
      if (status === 403 || status === 404)
        throw refused(name, `it does not know the ledger's key (${firstLine(text)})`);
      throw unreachable(name, `it answered ${status} (${firstLine(text)})`);
    },
  };
}

/** The witness's own signature among those in its answer; others are passed over. */
function cosignatureIn(text: string, checkpoint: SignedCheckpoint, verifier: Verifier): NoteSignature {
  const note = parseNote(`${checkpoint.note.text}\n${text}`);
  const signed = note === null ? null : verifyNote(note, verifier);
  if (signed?.kind === "good") return signed.signature;
  throw unreachable(verifier.name, "its answer bears no good signature of its key");
}

function sizeIn(text: string): number | null {
  const size = Number(text);
  return /^(0|[1-9]\d{0,15})\n$/.test(text) && Number.isSafeInteger(size) ? size : null;
}

async function readText(response: Response): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > maxAnswerBytes) throw new Error("its answer is too long");
  }
  return text;
}

/** Printed on a terminal: nothing but what can be read. */
function firstLine(text: string): string {
  return (text.split("\n")[0] ?? "").replace(/\p{Cc}/gu, "").slice(0, 200);
}
