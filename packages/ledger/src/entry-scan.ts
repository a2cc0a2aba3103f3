import { hash } from "node:crypto";
import { type EntryFacts, isTime, maxDetailsDepth, maxEntryBytes } from "./entry.ts";

/*
 * The common case of an entry, checked in one pass over its bytes. A whole check parses the entry, prints it again in its
 * canonical form and compares; most entries are plain ASCII without a single escape, and of those the bytes themselves show
 * that they are canonical. What is not plain is left to the whole check: this never says that an entry is bad, and never
 * that one is good of which that says otherwise (a property in the tests).
 */

const quote = 0x22;
const comma = 0x2c;
const backslash = 0x5c;

let input = Buffer.alloc(4096);
let at = 0;
let end = 0;
let bytes: Buffer = input;
/** Of the last entry that was good. */
let lastTime = "";
let lastHash = "";

/** What a good entry says; `null` if it is not plain, or not good. */
export function scanEntry(entry: Buffer): EntryFacts | null {
  if (entry.length > maxEntryBytes) return null;
  bytes = entry;
  end = entry.length;
  at = 0;
  if (!literal('{"action":"') || !label() || !literal('"actor":"') || !label()) return null;
  if (!literal('"details":') || bytes[at] !== 0x7b || !value(maxDetailsDepth)) return null;
  const beforeHash = at + 1;
  if (!literal(',"hash":"')) return null;
  const ownHash = digits64();
  if (!literal('",')) return null;
  const afterHash = at;
  if (!literal('"host":"')) return null;
  const hostAt = at;
  if (!label()) return null;
  const host = bytes.toString("latin1", hostAt, at - 2);
  if (literal('"incident":"') && !label()) return null;
  if (!literal('"prev":"')) return null;
  const prev = digits64();
  // Most often it is the hash of the entry before, which has been found to be one.
  if ((prev !== lastHash && !/^[0-9a-f]{64}$/.test(prev)) || !literal('",')) return null;
  if (literal('"run":"') && !label()) return null;
  if (!literal('"seq":')) return null;
  const seq = positive();
  if (seq === 0 || !literal(',"subject":"') || !label() || !literal('"time":"')) return null;
  const time = bytes.toString("latin1", at, at + 24);
  at += 24;
  if (!literal('","v":1}') || at !== end) return null;
  if (time !== lastTime && !isTime(time)) return null;
  if (digestWithout(beforeHash, afterHash) !== ownHash) return null;
  lastTime = time;
  lastHash = ownHash;
  return { seq, time, host, prev, hash: ownHash };
}

/** SHA-256 of the entry with its own hash cut out. */
function digestWithout(from: number, to: number): string {
  if (input.length < end) input = Buffer.alloc(2 * end);
  bytes.copy(input, 0, 0, from);
  bytes.copy(input, from, to, end);
  return hash("sha256", input.subarray(0, end - (to - from)), "hex");
}

function literal(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    if (bytes[at + index] !== text.charCodeAt(index)) return false;
  }
  at += text.length;
  return true;
}

/** A label, from behind its first quote to behind the comma that follows it. */
function label(): boolean {
  const start = at;
  if (!text()) return false;
  const length = at - start;
  if (length < 1 || length > 256 || bytes[at + 1] !== comma) return false;
  at += 2;
  return true;
}

/** Plain characters up to a quote, before which it stops. */
function text(): boolean {
  for (; at < end; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === quote) return true;
    if (byte < 0x20 || byte > 0x7e || byte === backslash) return false;
  }
  return false;
}

function digits64(): string {
  at += 64;
  return bytes.toString("latin1", at - 64, at);
}

/** An integer from 1; 0 if there is none. */
function positive(): number {
  let number = 0;
  const start = at;
  for (; at < end; at += 1) {
    const digit = (bytes[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) break;
    number = number * 10 + digit;
  }
  return at - start > 15 || bytes[start] === 0x30 ? 0 : number;
}

/** Any JSON value that nests at most so deep, and whose bytes are its canonical form. */
function value(depth: number): boolean {
  switch (bytes[at]) {
    case 0x7b:
      return depth > 0 && object(depth - 1);
    case 0x5b:
      return depth > 0 && array(depth - 1);
    case quote:
      at += 1;
      if (!text()) return false;
      at += 1;
      return true;
    case 0x74:
      return literal("true");
    case 0x66:
      return literal("false");
    case 0x6e:
      return literal("null");
    default:
      return number();
  }
}

function object(depth: number): boolean {
  at += 1;
  if (bytes[at] === 0x7d) {
    at += 1;
    return true;
  }
  let keyFrom = -1;
  let keyTo = -1;
  for (;;) {
    if (bytes[at] !== quote) return false;
    at += 1;
    const from = at;
    if (!text()) return false;
    // Sorted, and none twice. Of ASCII the order of bytes is that of UTF-16 code units.
    if (keyFrom !== -1 && !isBefore(keyFrom, keyTo, from, at)) return false;
    keyFrom = from;
    keyTo = at;
    at += 1;
    if (bytes[at] !== 0x3a) return false;
    at += 1;
    if (!value(depth)) return false;
    const next = bytes[at];
    at += 1;
    if (next === 0x7d) return true;
    if (next !== comma) return false;
  }
}

function isBefore(from: number, to: number, otherFrom: number, otherTo: number): boolean {
  const common = Math.min(to - from, otherTo - otherFrom);
  for (let index = 0; index < common; index += 1) {
    const difference = (bytes[from + index] ?? 0) - (bytes[otherFrom + index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return to - from < otherTo - otherFrom;
}

function array(depth: number): boolean {
  at += 1;
  if (bytes[at] === 0x5d) {
    at += 1;
    return true;
  }
  for (;;) {
    if (!value(depth)) return false;
    const next = bytes[at];
    at += 1;
    if (next === 0x5d) return true;
    if (next !== comma) return false;
  }
}

/** A number as ECMAScript prints it, and no integer that is not safe. */
function number(): boolean {
  const start = at;
  let plain = true;
  for (; at < end; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte >= 0x30 && byte <= 0x39) continue;
    if (byte !== 0x2d && byte !== 0x2b && byte !== 0x2e && byte !== 0x65) break;
    plain = false;
  }
  const length = at - start;
  if (plain) return length > 0 && length <= 15 && (bytes[start] !== 0x30 || length === 1);
  const printed = bytes.toString("latin1", start, at);
  const parsed = Number(printed);
  if (String(parsed) !== printed || !Number.isFinite(parsed)) return false;
  return !Number.isInteger(parsed) || Number.isSafeInteger(parsed);
}
