import type { Socket } from "node:net";
import type { Gate, GateReason } from "./gate.ts";
import { endWith } from "./polite-end.ts";

export interface TunnelOptions {
  readonly client: Socket;
  readonly upstream: Socket;
  /** What the client has sent already, behind its request. */
  readonly head: Buffer;
  readonly gate: Gate | null;
  readonly idleMs: number;
  readonly maxBytes: number | null;
  /** How long the gate may stay undecided, from the first moment. */
  readonly gateMs: number;
  /** Sent to the client in place of the server's answer when the gate refuses; null to just end. */
  readonly farewell: Buffer | null;
  /** Once, when both sides are closed. */
  readonly onEnd: (summary: TunnelSummary) => void;
  /** The gate refuses. The tunnel then ends. Returns whether it is to be refused; false lets it through. */
  readonly onRefuse: (reason: GateReason, message: string) => boolean;
}

export type TunnelEnd = "closed" | "idle" | "bytes" | "gate" | "cut" | "upstream-error" | "client-error";

export interface TunnelSummary {
  readonly end: TunnelEnd;
  /** From the agent to the target. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly durationMs: number;
}

export interface Tunnel {
  /** Ends it at once: its target is not allowed any longer. */
  cut(): void;
}

/**
 * Joins two sockets. Each end of a stream is passed on by itself (a half-closed connection goes on in the other direction);
 * a side that reads slowly slows the other one down. What the client sends first is held back until the gate has judged it,
 * while what the server sends flows: some servers speak first.
 */
export function joinSockets(options: TunnelOptions): Tunnel {
  const { client, upstream, gate, maxBytes } = options;
  const startedAt = performance.now();
  let end: TunnelEnd | null = null;
  let sent = 0;
  let received = 0;
  let held: Buffer[] | null = gate === null ? null : [];
  let open = 2;

  const stop = (why: TunnelEnd) => {
    end ??= why;
    client.destroy();
    upstream.destroy();
  };
  const idle = setTimeout(() => stop("idle"), options.idleMs);
  const undecided = gate === null ? null : setTimeout(() => judge(Buffer.alloc(0), true), options.gateMs);

  const count = (bytes: number): boolean => {
    idle.refresh();
    if (maxBytes === null || sent + received + bytes <= maxBytes) return true;
    stop("bytes");
    return false;
  };
  const send = (chunk: Buffer) => {
    if (!count(chunk.length)) return;
    sent += chunk.length;
    if (!upstream.write(chunk)) client.pause();
  };
  const judge = (chunk: Buffer, isLast: boolean) => {
    if (held === null || gate === null) return;
    held.push(chunk);
    const bytes = Buffer.concat(held);
    held = [bytes];
    let verdict = gate(bytes);
    if (verdict.kind === "more" && isLast) {
      // A client that connects ahead of need and says nothing has done nothing wrong.
      if (bytes.length === 0) return stop("closed");
      verdict = { kind: "refuse", reason: "wrong-protocol", message: "the client stopped in mid-greeting" };
    }
    if (verdict.kind === "more") return;
    if (undecided !== null) clearTimeout(undecided);
    if (verdict.kind === "refuse" && options.onRefuse(verdict.reason, verdict.message)) {
      refuse();
      return;
    }
    held = null;
    if (bytes.length > 0) send(bytes);
    client.resume();
  };
  const refuse = () => {
    end ??= "gate";
    upstream.destroy();
    // Where the server has spoken already, anything else in its place would only be garbage.
    client.removeAllListeners("data");
    endWith(client, options.farewell !== null && received === 0 ? options.farewell : "");
  };

  client.on("data", (chunk: Buffer) => {
    if (held === null) send(chunk);
    else judge(chunk, false);
  });
  const clientEnded = () => {
    judge(Buffer.alloc(0), true);
    if (end === null) upstream.end();
  };
  client.on("end", clientEnded);
  client.on("drain", () => upstream.resume());
  client.on("error", () => stop("client-error"));
  upstream.on("data", (chunk: Buffer) => {
    if (!count(chunk.length)) return;
    received += chunk.length;
    if (!client.write(chunk)) upstream.pause();
  });
  upstream.on("end", () => client.end());
  upstream.on("drain", () => client.resume());
  upstream.on("error", () => stop("upstream-error"));
  const closed = () => {
    open -= 1;
    if (open > 0) {
      // One that is closed for good has no use for the other; what is on its way there arrives, or the idle time ends it.
      client.destroySoon();
      upstream.destroySoon();
      return;
    }
    clearTimeout(idle);
    if (undecided !== null) clearTimeout(undecided);
    const durationMs = Math.round(performance.now() - startedAt);
    options.onEnd({ end: end ?? "closed", sentBytes: sent, receivedBytes: received, durationMs });
  };
  client.once("close", closed);
  upstream.once("close", closed);
  // Either may be gone since it was connected, and its event with it.
  if (client.destroyed || upstream.destroyed) stop("client-error");
  if (client.closed) closed();
  if (upstream.closed) closed();
  if (options.head.length > 0) {
    if (held === null) send(options.head);
    else judge(options.head, false);
  }
  // Node tells of an end even while a socket is paused, if nothing was left to read: that may be over.
  if (client.readableEnded) clientEnded();
  if (upstream.readableEnded) client.end();
  client.resume();
  upstream.resume();
  return { cut: () => stop("cut") };
}
