import { hash } from "node:crypto";
import { canonicalize, isDarumaError, type JsonValue } from "@daruma/base";

export type JsonObject = { readonly [key: string]: JsonValue };

/** One entry of the ledger, as docs/ledger-format.md defines it. */
export interface Entry extends EntryDraft {
  readonly v: 1;
  /** Position in the chain, from 1, without gaps. */
  readonly seq: number;
  /** When ledgerd accepted it: RFC 3339, UTC, milliseconds. A label; the order is `seq`. */
  readonly time: string;
  readonly host: string;
  /** Who appended it, as known from the socket. */
  readonly actor: string;
  /** `hash` of the entry before; 64 zeros in the first. */
  readonly prev: string;
  /** SHA-256 of the canonical entry without this field, in lower-case hex. */
  readonly hash: string;
}

/** What an entry is found by. */
export interface EntryLabels {
  readonly action: string;
  readonly actor: string;
  readonly subject: string;
  readonly incident?: string | undefined;
  readonly run?: string | undefined;
}

/** What a chain needs to know of an entry. */
export type EntryFacts = Pick<Entry, "seq" | "time" | "host" | "prev" | "hash">;

/** The part of an entry that its author chooses. */
export interface EntryDraft {
  readonly action: string;
  readonly subject: string;
  /** Joins all entries of one recovery. */
  readonly incident?: string;
  /** Joins all entries of one run of an agent. */
  readonly run?: string;
  readonly details: JsonObject;
}

/** Where a chain stands: the last entry's number and hash. */
export interface Head {
  readonly seq: number;
  readonly hash: string;
}

/** What `prev` is in the first entry. */
export const zeroHash = "0".repeat(64);

export const emptyHead: Head = { seq: 0, hash: zeroHash };

/** Bytes of one stored entry, and of one line that asks for an append, without the newline. */
export const maxEntryBytes = 256 * 1024;

/** How deep `details` may nest, itself included. Keeps every reader's stack safe. */
export const maxDetailsDepth = 32;

/** The text of an entry around the fields that only its place in the chain decides. */
export interface PreparedEntry {
  readonly beforeHash: string;
  readonly beforePrev: string;
  readonly beforeSeq: string;
  readonly beforeTime: string;
  readonly labels: EntryLabels;
  /** What is stored beside the entry: the payload that it commits to. */
  readonly payload?: Buffer;
}

export interface SealedEntry extends Head {
  /** The exact bytes to store, as text, without a newline. */
  readonly line: string;
  readonly time: string;
  readonly labels: EntryLabels;
  readonly payload?: Buffer;
}

/**
 * Prints everything of an entry but `seq`, `time`, `prev` and `hash`. The fields are in canonical order (RFC 8785), so
 * that sealing is only joining.
 *
 * @throws JSON_E_NOT_CANONICAL if `details` has no canonical form.
 */
export function prepareEntry(draft: EntryDraft, host: string, actor: string): PreparedEntry {
  const labels = {
    action: draft.action,
    actor,
    subject: draft.subject,
    incident: draft.incident,
    run: draft.run,
  };
  const incident = draft.incident === undefined ? "" : `"incident":${JSON.stringify(draft.incident)},`;
  const run = draft.run === undefined ? "" : `"run":${JSON.stringify(draft.run)},`;
  return {
    beforeHash: `{"action":${JSON.stringify(draft.action)},"actor":${JSON.stringify(actor)},"details":${canonicalize(draft.details)},`,
    beforePrev: `"host":${JSON.stringify(host)},${incident}"prev":"`,
    beforeSeq: `",${run}"seq":`,
    beforeTime: `,"subject":${JSON.stringify(draft.subject)},"time":"`,
    labels,
  };
}

/** Gives a prepared entry its place in the chain. */
export function sealEntry(prepared: PreparedEntry, prev: string, seq: number, time: string): SealedEntry {
  const rest = afterHash(prepared, prev, seq, time);
  const digest = hash("sha256", prepared.beforeHash + rest);
  const line = `${prepared.beforeHash}"hash":"${digest}",${rest}`;
  const { labels, payload } = prepared;
  return payload === undefined
    ? { seq, hash: digest, line, time, labels }
    : { seq, hash: digest, line, time, labels, payload };
}

function afterHash(prepared: PreparedEntry, prev: string, seq: number, time: string): string {
  return `${prepared.beforePrev}${prev}${prepared.beforeSeq}${seq}${prepared.beforeTime}${time}","v":1}`;
}

export type EntryFault = "not-json" | "bad-version" | "bad-field" | "not-canonical" | "wrong-hash";

export interface Fault {
  readonly reason: EntryFault;
  /** One sentence without a full stop, fit to follow "entry 5 is bad: ". */
  readonly message: string;
}

/** An entry with a fault has all its fields right; only its bytes or its hash are not. */
export type EntryReading =
  | { readonly entry: Entry; readonly fault: null }
  | { readonly entry: Entry; readonly fault: Fault }
  | { readonly entry: null; readonly fault: Fault };

/** Reads one entry and checks all that can be checked without its neighbours. Never throws. */
export function readEntry(text: string): EntryReading {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The parser's own message quotes the input, which may hold anything, terminal escapes included.
    return { entry: null, fault: { reason: "not-json", message: "it is not JSON" } };
  }
  const fault = faultOf(value);
  if (fault !== null) return { entry: null, fault };
  const entry = value as Entry;
  const bytesFault = faultOfBytes(entry, text);
  return bytesFault === null ? { entry, fault: null } : { entry, fault: bytesFault };
}

function faultOfBytes(entry: Entry, text: string): Fault | null {
  let prepared: PreparedEntry;
  try {
    prepared = prepareEntry(entry, entry.host, entry.actor);
  } catch (error) {
    if (!isDarumaError(error)) throw error;
    return { reason: "not-canonical", message: "its details have no canonical form (RFC 8785)" };
  }
  const rest = afterHash(prepared, entry.prev, entry.seq, entry.time);
  if (`${prepared.beforeHash}"hash":"${entry.hash}",${rest}` !== text) {
    return { reason: "not-canonical", message: "its bytes are not canonical JSON (RFC 8785)" };
  }
  const digest = hash("sha256", prepared.beforeHash + rest);
  if (digest === entry.hash) return null;
  return { reason: "wrong-hash", message: `its content hashes to ${digest}, not to its hash ${entry.hash}` };
}

const label = (what: string) => `${what} must be a text of 1 to 256 characters without control characters`;
const hex = (what: string) => `${what} must be 64 lower-case hex digits`;

const fieldRules: Readonly<Record<string, { test(value: unknown): boolean; message: string }>> = {
  seq: {
    test: (value) => Number.isSafeInteger(value) && (value as number) >= 1,
    message: "seq must be an integer from 1",
  },
  time: { test: isTime, message: "time must be RFC 3339 in UTC with milliseconds" },
  host: { test: isLabel, message: label("host") },
  actor: { test: isLabel, message: label("actor") },
  action: { test: isLabel, message: label("action") },
  subject: { test: isLabel, message: label("subject") },
  incident: { test: isLabel, message: label("incident") },
  run: { test: isLabel, message: label("run") },
  details: {
    test: (value) => isPlainObject(value) && nestsAtMost(value, maxDetailsDepth),
    message: `details must be an object that nests at most ${maxDetailsDepth} deep`,
  },
  prev: { test: isHash, message: hex("prev") },
  hash: { test: isHash, message: hex("hash") },
};

const optionalFields: ReadonlySet<string> = new Set(["incident", "run"]);
const ruleList = Object.entries(fieldRules);

function faultOf(value: unknown): Fault | null {
  if (!isPlainObject(value)) return { reason: "bad-field", message: "it is not a JSON object" };
  if (value.v !== 1) {
    return { reason: "bad-version", message: "v must be 1, the only version this release knows" };
  }
  let known = 1;
  for (const [name, rule] of ruleList) {
    if (!Object.hasOwn(value, name)) {
      if (optionalFields.has(name)) continue;
      return { reason: "bad-field", message: `${name} is missing` };
    }
    known += 1;
    if (!rule.test(value[name])) return { reason: "bad-field", message: rule.message };
  }
  if (known === Object.keys(value).length) return null;
  const unknown = Object.keys(value).find((name) => name !== "v" && !Object.hasOwn(fieldRules, name));
  return { reason: "bad-field", message: isLabel(unknown) ? `unknown field ${unknown}` : "unknown field" };
}

/** The message for a field of a draft that breaks its rule, or null. */
export function faultOfField(name: keyof EntryDraft, value: unknown): string | null {
  const rule = fieldRules[name];
  if (rule === undefined) throw new Error(`no rule for the field ${name}`);
  return rule.test(value) ? null : rule.message;
}

/** Names of people and things: 1 to 256 characters (code points), none of them a control character. */
export function isLabel(value: unknown): value is string {
  return typeof value === "string" && /^\P{Cc}{1,256}$/u.test(value) && value.isWellFormed();
}

function isHash(value: unknown): boolean {
  return typeof value === "string" && /^[0-9a-f]{64}$/.test(value);
}

const timePattern =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{3}Z$/;

export function isTime(value: unknown): boolean {
  const parts = typeof value === "string" ? timePattern.exec(value) : null;
  if (parts === null) return false;
  const day = Number(parts[3]);
  if (day <= 28) return true;
  // The calendar repeats every 400 years; years below 100 mean something else to Date.
  return day <= new Date(Date.UTC(2000 + (Number(parts[1]) % 400), Number(parts[2]), 0)).getUTCDate();
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function nestsAtMost(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  if (levels === 0) return false;
  const items: readonly unknown[] = Array.isArray(value) ? value : Object.values(value);
  for (let index = 0; index < items.length; index++) {
    if (!nestsAtMost(items[index], levels - 1)) return false;
  }
  return true;
}
