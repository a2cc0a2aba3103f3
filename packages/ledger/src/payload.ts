import { hash, randomBytes } from "node:crypto";
import { canonicalize, messageOf } from "@daruma/base";
import { faultOfField, isPlainObject, type JsonObject } from "./entry.ts";

/*
 * What an entry says without holding it: the entry has the hash of a payload, and the payload is kept beside it, where it can
 * be erased. The salt keeps a payload that is easily guessed (a name, a number) from being found by its hash.
 */

/** Bytes. */
const saltBytes = 32;

/** What opens a commitment. */
export interface Opening {
  /** 64 lower-case hex digits. */
  readonly salt: string;
  readonly payload: JsonObject;
}

export interface Committed {
  /** What the entry has: 64 lower-case hex digits. */
  readonly commitment: string;
  /** What is kept beside it: the salt, and the payload in canonical JSON. */
  readonly stored: Buffer;
}

/** Why the ledger could not take it as a payload, as a message without a full stop; `null` if it can. */
export function faultOfPayload(value: unknown): string | null {
  const fault = faultOfField("details", value);
  if (fault !== null) return fault.replace("details", "payload");
  try {
    canonicalize(value as JsonObject);
    return null;
  } catch (error) {
    return `payload.${messageOf(error)}`;
  }
}

/** @throws JSON_E_NOT_CANONICAL */
export function commitTo(payload: JsonObject): Committed {
  const stored = Buffer.concat([randomBytes(saltBytes), Buffer.from(canonicalize(payload))]);
  return { commitment: hash("sha256", stored), stored };
}

/** Null for what no `commitTo` has made. */
export function openStored(stored: Buffer): Opening | null {
  const payload = parseJson(stored.toString("utf8", saltBytes));
  return isPlainObject(payload)
    ? { salt: stored.toString("hex", 0, saltBytes), payload: payload as JsonObject }
    : null;
}

/** Why the opening is not that of the commitment, as a message without a full stop; null if it is. */
export function faultOfOpening(commitment: string | null, { salt, payload }: Opening): string | null {
  if (commitment === null) return "its entry has no commitment";
  let text: string;
  try {
    text = canonicalize(payload);
  } catch {
    return "its payload has no canonical form (RFC 8785)";
  }
  const found = hash("sha256", Buffer.concat([Buffer.from(salt, "hex"), Buffer.from(text)]));
  return found === commitment ? null : `its payload hashes to ${found}, not to the commitment ${commitment}`;
}

/** What an entry commits to; null if to nothing. */
export function commitmentIn(details: JsonObject): string | null {
  const { payloadCommitment: commitment } = details;
  return typeof commitment === "string" && /^[0-9a-f]{64}$/.test(commitment) ? commitment : null;
}

/** The same, of stored bytes that were found to be an entry. */
export function commitmentInLine(line: Buffer): string | null {
  if (!line.includes('"payloadCommitment":"')) return null;
  const entry = parseJson(line.toString("utf8"));
  return isPlainObject(entry) && isPlainObject(entry.details)
    ? commitmentIn(entry.details as JsonObject)
    : null;
}

/** The bytes by which a stored payload is found on a disk: no other has them. */
export function saltOf(stored: Buffer): Buffer {
  return stored.subarray(0, saltBytes);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
