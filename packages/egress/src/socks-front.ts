import type { Socket } from "node:net";
import type { Door, Opened, Refusal } from "./door.ts";
import { endWith } from "./polite-end.ts";
import { type ParsedTarget, targetOf } from "./target.ts";

/*
 * SOCKS 5 (RFC 1928), as far as it is of use here: CONNECT, to a name or an address, without a login: the port is the
 * identity. Names are resolved here (socks5h), which clients outside can do no more.
 */

const version = 5;
const noLogin = 0;
const noMethod = 0xff;
const connectCommand = 1;

const replies = {
  ok: 0,
  failure: 1,
  notAllowed: 2,
  hostUnreachable: 4,
  refused: 5,
  expired: 6,
  noCommand: 7,
  noAddressType: 8,
} as const;

/** Longest greeting and request together: 2 + 255 methods, 4 + 1 + 255 + 2. */
const maxBytes = 519;

/** Serves one client, of which nothing was read that was not put back. */
export function serveSocks(door: Door, client: Socket): void {
  let bytes: Buffer = Buffer.alloc(0);
  let isGreeted = false;
  const deadline = setTimeout(() => client.destroy(), door.times.headersMs);
  client.once("close", () => clearTimeout(deadline));
  client.on("error", () => client.destroy());
  const reject = (reply: Buffer) => {
    client.off("data", onData);
    endWith(client, reply);
  };
  const onData = (chunk: Buffer) => {
    bytes = Buffer.concat([bytes, chunk]);
    if (!isGreeted) {
      const greeting = readGreeting(bytes);
      if (greeting === "more") return;
      if (greeting === "refuse") return reject(Buffer.from([version, noMethod]));
      bytes = bytes.subarray(greeting);
      isGreeted = true;
      client.write(Buffer.from([version, noLogin]));
    }
    const request = readRequest(bytes);
    if (request === "more") return bytes.length > maxBytes ? reject(replyOf(replies.failure)) : undefined;
    if (typeof request === "number") return reject(replyOf(request));
    client.off("data", onData);
    client.pause();
    clearTimeout(deadline);
    void finish(door, client, request.target, bytes.subarray(request.length));
  };
  client.on("data", onData);
}

async function finish(door: Door, client: Socket, target: ParsedTarget, head: Buffer): Promise<void> {
  const opened = await door.open(target, "socks");
  if (!("socket" in opened)) {
    endWith(client, replyOf(codeOf(opened)));
    return;
  }
  client.write(replyOf(replies.ok));
  door.join(opened as Opened, client, head, "socks");
}

/** The length of the greeting, if it is one that can be answered. */
function readGreeting(bytes: Buffer): number | "more" | "refuse" {
  const [first, count] = bytes;
  if (first !== version) return "refuse";
  if (count === undefined || bytes.length < 2 + count) return "more";
  return bytes.subarray(2, 2 + count).includes(noLogin) ? 2 + count : "refuse";
}

interface SocksRequest {
  readonly target: ParsedTarget;
  readonly length: number;
}

/** The request, or the reply to one that is none. */
function readRequest(bytes: Buffer): SocksRequest | number | "more" {
  if (bytes.length < 5) return "more";
  const [first, command, , type, next = 0] = bytes;
  if (first !== version) return replies.failure;
  if (command !== connectCommand) return replies.noCommand;
  const hosts: Readonly<Record<number, readonly [start: number, length: number]>> = {
    1: [4, 4],
    3: [5, next],
    4: [4, 16],
  };
  const place = type === undefined ? undefined : hosts[type];
  if (place === undefined) return replies.noAddressType;
  const [start, size] = place;
  const length = start + size + 2;
  if (bytes.length < length) return "more";
  const host = hostText(type === 3, bytes.subarray(start, start + size));
  return { target: targetOf(host, bytes.readUInt16BE(start + size)), length };
}

function hostText(isName: boolean, bytes: Buffer): string {
  // UTF-8 is what clients send for names beyond ASCII; what is not UTF-8 is no name and is refused as one.
  if (isName) return bytes.toString("utf8");
  if (bytes.length === 4) return bytes.join(".");
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16));
  return `[${groups.join(":")}]`;
}

function codeOf(refusal: Refusal): number {
  if (refusal.kind === "denied") return replies.notAllowed;
  if (refusal.kind === "busy") return replies.failure;
  if (refusal.code === "refused") return replies.refused;
  return refusal.isTimeout ? replies.expired : replies.hostUnreachable;
}

/** The address that it is bound to is nobody's business: 0.0.0.0:0. */
function replyOf(code: number): Buffer {
  return Buffer.from([version, code, 0, 1, 0, 0, 0, 0, 0, 0]);
}
