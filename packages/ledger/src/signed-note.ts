import { createPrivateKey, createPublicKey, hash, type KeyObject, sign, verify } from "node:crypto";

/*
 * Signed notes as in https://c2sp.org/signed-note, with the two kinds of Ed25519 signatures (RFC 8032) that logs and their
 * witnesses use. Nothing here throws because of what a note or a key from outside holds.
 */

/** The first byte of a key's material says what its signatures mean. */
export const keyType = {
  /** Signs the note's text. */
  note: 0x01,
  /** Signs the text with the time at which it was seen: https://c2sp.org/tlog-cosignature, cosignature/v1. */
  cosignature: 0x04,
} as const;

type KeyType = (typeof keyType)[keyof typeof keyType];

/** A public key with the name under which it signs; printed it is a *vkey*. */
export interface Verifier {
  readonly name: string;
  /** 8 hex digits. Only tells keys of one name apart: it proves nothing. */
  readonly id: string;
  readonly type: KeyType;
  /** As it was given, and as it is printed. */
  readonly vkey: string;
  readonly key: KeyObject;
}

export interface Signer {
  readonly verifier: Verifier;
  readonly key: KeyObject;
  /** 32 bytes; what has to be kept secret. */
  readonly seed: Buffer;
}

export interface NoteSignature {
  readonly name: string;
  readonly id: string;
  /** What follows the four bytes of the id. */
  readonly bytes: Buffer;
  /** With its newline. */
  readonly line: string;
}

export interface Note {
  /** What is signed, with its last newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** More than any note of ours has; C2SP asks for room for 16 signatures of up to 5 kB. */
export const maxNoteBytes = 128 * 1024;

/** DER of an Ed25519 key around its 32 bytes (RFC 8410 sections 4 and 7). */
const publicPrefix = Buffer.from("302a300506032b6570032100", "hex");
const privatePrefix = Buffer.from("302e020100300506032b657004220420", "hex");

/** Whether a key may have this name: not empty, without Unicode spaces, plus signs or control characters. */
export function isKeyName(name: string): boolean {
  return /^[^\s\p{White_Space}+\p{Cc}]+$/u.test(name) && name.isWellFormed();
}

export function makeVerifier(name: string, type: KeyType, publicKey: Buffer): Verifier {
  const material = Buffer.concat([Buffer.of(type), publicKey]);
  const id = hash("sha256", Buffer.concat([Buffer.from(`${name}\n`), material]), "hex").slice(0, 8);
  const key = createPublicKey({ key: Buffer.concat([publicPrefix, publicKey]), format: "der", type: "spki" });
  return { name, id, type, vkey: `${name}+${id}+${material.toString("base64")}`, key };
}

/** `null` if it is not a vkey of a kind known here, or its parts do not belong together. */
export function parseVerifier(vkey: string): Verifier | null {
  const [, name = "", id, material = ""] = /^([^+]*)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(vkey) ?? [];
  const bytes = decodeBase64(material);
  const type = bytes?.[0];
  if (!isKeyName(name) || bytes?.length !== 33) return null;
  if (type !== keyType.note && type !== keyType.cosignature) return null;
  const verifier = makeVerifier(name, type, bytes.subarray(1));
  return verifier.id === id ? verifier : null;
}

export function makeSigner(name: string, type: KeyType, seed: Buffer): Signer {
  const key = createPrivateKey({ key: Buffer.concat([privatePrefix, seed]), format: "der", type: "pkcs8" });
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return { verifier: makeVerifier(name, type, spki.subarray(publicPrefix.length)), key, seed };
}

/** The private key as text, as golang.org/x/mod/sumdb/note has it. */
export function printSigner({ verifier: { name, id, type }, seed }: Signer): string {
  return `PRIVATE+KEY+${name}+${id}+${Buffer.concat([Buffer.of(type), seed]).toString("base64")}`;
}

/** `null` if it is not a private key of a kind known here. */
export function parseSigner(text: string): Signer | null {
  const [, name = "", id, material = ""] =
    /^PRIVATE\+KEY\+([^+]*)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ?? [];
  const bytes = decodeBase64(material);
  const type = bytes?.[0];
  if (!isKeyName(name) || bytes?.length !== 33) return null;
  if (type !== keyType.note && type !== keyType.cosignature) return null;
  const signer = makeSigner(name, type, bytes.subarray(1));
  return signer.verifier.id === id ? signer : null;
}

/** `null` if it is not a signed note. Whether any signature is good is another question. */
export function parseNote(note: string): Note | null {
  if (note.length > maxNoteBytes || /[^\P{Cc}\n]/u.test(note) || !note.isWellFormed()) return null;
  const end = note.lastIndexOf("\n\n");
  if (end === -1 || !note.endsWith("\n")) return null;
  const lines = note
    .slice(end + 2)
    .split("\n")
    .slice(0, -1);
  if (lines.length === 0) return null;
  const signatures: NoteSignature[] = [];
  for (const line of lines) {
    const [, name = "", base64 = ""] = /^\u2014 ([^ ]+) ([^ ]+)$/.exec(line) ?? [];
    const bytes = decodeBase64(base64);
    if (!isKeyName(name) || bytes === null || bytes.length < 5) return null;
    signatures.push({
      name,
      id: bytes.subarray(0, 4).toString("hex"),
      bytes: bytes.subarray(4),
      line: `${line}\n`,
    });
  }
  return { text: note.slice(0, end + 1), signatures };
}

export function printNote({ text, signatures }: Note): string {
  return `${text}\n${signatures.map(({ line }) => line).join("")}`;
}

/** Signs a note's text; for a cosignature with the time, in seconds since 1970. */
export function signText(signer: Signer, text: string, timeSeconds = 0): NoteSignature {
  const { name, id, type } = signer.verifier;
  const message = messageOf(type, text, timeSeconds);
  const signature = sign(null, Buffer.from(message), signer.key);
  const bytes = type === keyType.note ? signature : Buffer.concat([bigEndian(timeSeconds), signature]);
  const base64 = Buffer.concat([Buffer.from(id, "hex"), bytes]).toString("base64");
  return { name, id, bytes, line: `\u2014 ${name} ${base64}\n` };
}

/** What a note says under a key. A note with a bad signature of a known key is malformed, whatever others it bears. */
export type Signed = { readonly kind: "absent" } | { readonly kind: "bad" } | GoodSignature;

export interface GoodSignature {
  readonly kind: "good";
  readonly signature: NoteSignature;
  /** When a witness says that it has seen the note, in seconds since 1970; 0 for other signatures. */
  readonly timeSeconds: number;
}

export function verifyNote(note: Note, verifier: Verifier): Signed {
  let good: Signed = { kind: "absent" };
  for (const signature of note.signatures) {
    if (signature.name !== verifier.name || signature.id !== verifier.id) continue;
    const timeSeconds = checkSignature(note.text, signature, verifier);
    if (timeSeconds === null) return { kind: "bad" };
    if (good.kind === "absent") good = { kind: "good", signature, timeSeconds };
  }
  return good;
}

/** The time that a good signature states; `null` for a bad one. */
function checkSignature(text: string, { bytes }: NoteSignature, { type, key }: Verifier): number | null {
  if (type === keyType.note) {
    return bytes.length === 64 && verify(null, Buffer.from(text), key, bytes) ? 0 : null;
  }
  if (bytes.length !== 72) return null;
  const time = bytes.readBigUInt64BE();
  if (time > BigInt(Number.MAX_SAFE_INTEGER)) return null;
  const message = messageOf(type, text, Number(time));
  return verify(null, Buffer.from(message), key, bytes.subarray(8)) ? Number(time) : null;
}

function messageOf(type: KeyType, text: string, timeSeconds: number): string {
  return type === keyType.note ? text : `cosignature/v1\ntime ${timeSeconds}\n${text}`;
}

function bigEndian(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** Standard base64 with its padding (RFC 4648 section 4), and nothing that Node would also let pass. */
export function decodeBase64(text: string): Buffer | null {
  const bytes = Buffer.from(text, "base64");
  return text !== "" && bytes.toString("base64") === text ? bytes : null;
}
