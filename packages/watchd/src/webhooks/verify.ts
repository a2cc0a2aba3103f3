import {
  createHash,
  createHmac,
  createPublicKey,
  timingSafeEqual,
  verify as verifySignature,
} from "node:crypto";
import { type Delivery, type Refusal, type Scheme, single, timeProblem, type Verdict } from "./scheme.ts";

/*
 * Pure: from a delivery, secrets and the time to a verdict. Signatures are over the bytes as they came; nothing of a body is
 * parsed before its signature is known to be good.
 */

/**
 * @param secrets any of them may have been used, so that they can be changed without a gap; of the form that `secretProblem`
 * accepts
 */
export function verifyDelivery(scheme: Scheme, delivery: Delivery, secrets: readonly string[]): Verdict {
  switch (scheme) {
    case "standard":
      return verifyStandard(delivery, secrets);
    case "github":
      return verifyGithub(delivery, secrets);
    case "stripe":
      return verifyStripe(delivery, secrets);
    case "shared":
      return verifyShared(delivery, secrets);
  }
}

/** What is wrong with a secret, for whoever configures it; undefined if nothing is. Never quotes it. */
export function secretProblem(scheme: Scheme, secret: string): string | undefined {
  if (scheme !== "standard") {
    return Buffer.byteLength(secret) >= 16 ? undefined : "must have at least 16 bytes";
  }
  if (secret.startsWith("whpk_")) {
    return standardPublicKey(secret) === null ? "must be whpk_ and 32 bytes in base64" : undefined;
  }
  const bytes = standardKey(secret)?.length ?? 0;
  return bytes >= 24 && bytes <= 64 ? undefined : "must be whsec_ and 24 to 64 bytes in base64";
}

function verifyStandard({ headers, body, receivedAt }: Delivery, secrets: readonly string[]): Verdict {
  const id = single(headers, "webhook-id");
  const time = single(headers, "webhook-timestamp");
  const given = single(headers, "webhook-signature");
  for (const each of [id, time, given]) if ("why" in each) return refused(each.why);
  if (!("value" in id && "value" in time && "value" in given)) return refused("header-missing");
  // The three parts are joined by dots: one in the id could move a byte from one part to the next.
  if (id.value.includes(".")) return refused("header-malformed");
  const wrongTime = timeProblem(time.value, receivedAt);
  const signed = Buffer.concat([Buffer.from(`${id.value}.${time.value}.`), body]);
  const good = given.value.split(" ").some((signature) => {
    const [version = "", text = ""] = splitOnce(signature, ",");
    if (version === "v1") return secrets.some((secret) => isStandardMac(secret, signed, text));
    return version === "v1a" && secrets.some((secret) => isStandardSignature(secret, signed, text));
  });
  if (!good) return refused("signature");
  return wrongTime === undefined ? { ok: true, keys: [`id:${id.value}`] } : refused(wrongTime);
}

function isStandardMac(secret: string, signed: Buffer, given: string): boolean {
  const key = standardKey(secret);
  return key !== null && isMac(key, signed, Buffer.from(given, "base64"));
}

function isStandardSignature(secret: string, signed: Buffer, given: string): boolean {
  const key = standardPublicKey(secret);
  return key !== null && verifySignature(null, signed, key, Buffer.from(given, "base64"));
}

/** The bytes that a `whsec_` secret stands for, or null. */
export function standardKey(secret: string): Buffer | null {
  const text = /^whsec_([A-Za-z0-9+/]+=*)$/.exec(secret)?.[1];
  return text === undefined ? null : Buffer.from(text, "base64");
}

/** RFC 8410: the fixed beginning of an Ed25519 key in SPKI form. */
const ed25519Prefix = Buffer.from("302a300506032b6570032100", "hex");

function standardPublicKey(secret: string) {
  const text = /^whpk_([A-Za-z0-9+/]+=*)$/.exec(secret)?.[1];
  const bytes = text === undefined ? null : Buffer.from(text, "base64");
  if (bytes?.length !== 32) return null;
  return createPublicKey({ key: Buffer.concat([ed25519Prefix, bytes]), format: "der", type: "spki" });
}

/**
 * GitHub signs the body alone: neither a time nor the delivery's id. So a body that comes again is a repetition under whatever
 * id it comes.
 */
function verifyGithub({ headers, body }: Delivery, secrets: readonly string[]): Verdict {
  const given = single(headers, "x-hub-signature-256");
  if ("why" in given) return refused(given.why);
  const id = single(headers, "x-github-delivery");
  if ("why" in id) return refused(id.why);
  const text = /^sha256=([0-9a-f]{64})$/.exec(given.value)?.[1];
  if (text === undefined) return refused("header-malformed");
  const mac = Buffer.from(text, "hex");
  if (!secrets.some((secret) => isMac(secret, body, mac))) return refused("signature");
  return { ok: true, keys: [`id:${id.value}`, `body:${sha256(body)}`] };
}

function verifyStripe({ headers, body, receivedAt }: Delivery, secrets: readonly string[]): Verdict {
  const given = single(headers, "stripe-signature");
  if ("why" in given) return refused(given.why);
  const parts = given.value.split(",").map((part) => splitOnce(part.trim(), "="));
  const times = parts.filter(([name]) => name === "t").map(([, value = ""]) => value);
  const macs = parts.filter(([name]) => name === "v1").map(([, value = ""]) => value);
  const [time] = times;
  if (time === undefined || times.length !== 1 || macs.length === 0) return refused("header-malformed");
  const wrongTime = timeProblem(time, receivedAt);
  if (wrongTime === "header-malformed") return refused(wrongTime);
  const signed = Buffer.concat([Buffer.from(`${time}.`), body]);
  const good = macs.some(
    (mac) =>
      /^[0-9a-f]{64}$/.test(mac) && secrets.some((secret) => isMac(secret, signed, Buffer.from(mac, "hex"))),
  );
  if (!good) return refused("signature");
  return wrongTime === undefined ? { ok: true, keys: [stripeKey(body)] } : refused(wrongTime);
}

/** An event that is sent again is signed anew, and has its id in its body. */
function stripeKey(body: Buffer): string {
  try {
    const event: unknown = JSON.parse(body.toString("utf8"));
    if (typeof event === "object" && event !== null && "id" in event && typeof event.id === "string") {
      return `id:${event.id}`;
    }
  } catch {
    // Not JSON, and well signed: it is the same if its bytes are.
  }
  return `body:${sha256(body)}`;
}

function verifyShared({ headers }: Delivery, secrets: readonly string[]): Verdict {
  const given = single(headers, "authorization");
  if ("why" in given) return refused(given.why);
  const token = /^Bearer ([^ ]+)$/i.exec(given.value)?.[1];
  if (token === undefined) return refused("header-malformed");
  // Hashed first, since only texts of one length can be compared in constant time.
  const digest = createHash("sha256").update(token).digest();
  const good = secrets.some((secret) =>
    timingSafeEqual(createHash("sha256").update(secret).digest(), digest),
  );
  if (!good) return refused("signature");
  const sent = headers["idempotency-key"] ?? [];
  if (sent.length > 1) return refused("header-repeated");
  return { ok: true, keys: sent[0] === undefined ? [] : [`id:${sent[0]}`] };
}

function isMac(key: string | Buffer, signed: Buffer, given: Buffer): boolean {
  const mac = createHmac("sha256", key).update(signed).digest();
  return mac.length === given.length && timingSafeEqual(mac, given);
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function splitOnce(text: string, separator: string): readonly [string, string?] {
  const at = text.indexOf(separator);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function refused(why: Refusal): Verdict {
  return { ok: false, why };
}
