import { type EgressProtocol, parseHost } from "@daruma/config";
import { maxHelloBytes, readClientHello } from "./client-hello.ts";
import type { Target } from "./target.ts";

/** Why the first bytes of a client were refused. */
export type GateReason = "sni-mismatch" | "sni-missing" | "wrong-protocol";

export type GateVerdict =
  | { readonly kind: "more" }
  | { readonly kind: "pass" }
  | { readonly kind: "refuse"; readonly reason: GateReason; readonly message: string };

/** Judges what a client has sent so far. `more` is only said below a bound. */
export type Gate = (bytes: Buffer) => GateVerdict;

const pass: GateVerdict = { kind: "pass" };
const more: GateVerdict = { kind: "more" };

/**
 * What the first bytes to a target have to be. A tunnel to an allowed name could otherwise carry a request for any other
 * name that the same server (a CDN's, say) answers to.
 */
export function gateFor(protocol: EgressProtocol, target: Target): Gate | null {
  switch (protocol) {
    case "tcp":
      return null;
    case "postgres":
      return postgresGate;
    case "tls":
      return target.host.kind === "name" ? tlsGate(target.host.name) : null;
  }
}

function tlsGate(name: string): Gate {
  return (bytes) => {
    const hello = readClientHello(bytes);
    if (hello.kind === "incomplete" && bytes.length <= maxHelloBytes) return more;
    if (hello.kind !== "hello")
      return refuse("wrong-protocol", `${name} is to be spoken to in TLS, and this is none`);
    if (hello.name === null)
      return refuse("sni-missing", `the TLS client does not say that it wants ${name}`);
    const named = parseHost(hello.name);
    if (named.ok && named.value.kind === "name" && named.value.name === name) return pass;
    return refuse(
      "sni-mismatch",
      `the TLS client was connected to ${name} and asks for ${printable(hello.name)}`,
    );
  };
}

/** First messages of a PostgreSQL client: a length, then one of these (its documentation, 54.2 and 54.7). */
const postgresCodes = {
  ssl: 80_877_103,
  gss: 80_877_104,
  cancel: 80_877_102,
} as const;

const postgresGate: Gate = (bytes) => {
  if (bytes.length < 8) return more;
  const length = bytes.readUInt32BE(0);
  const code = bytes.readUInt32BE(4);
  const asks = (code === postgresCodes.ssl || code === postgresCodes.gss) && length === 8;
  // Keys for cancelling have 4 bytes, from protocol 3.2 on up to 256.
  const cancels = code === postgresCodes.cancel && length >= 16 && length <= 268;
  const starts = code >>> 16 === 3 && length > 8 && length <= 10_000;
  return asks || cancels || starts
    ? pass
    : refuse("wrong-protocol", "this is not how a PostgreSQL client begins");
};

function refuse(reason: GateReason, message: string): GateVerdict {
  return { kind: "refuse", reason, message };
}

/** A client chooses this text, and it ends up in logs. */
function printable(text: string): string {
  return JSON.stringify(text.slice(0, 255));
}

/** What a TLS client understands in place of a server's answer: a fatal alert, access_denied (RFC 8446 6.2). */
export const tlsAccessDenied = Buffer.from([21, 3, 3, 0, 2, 2, 49]);
