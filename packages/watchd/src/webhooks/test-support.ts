import { createHmac, generateKeyPairSync, sign } from "node:crypto";
import { signStandard } from "./sign.ts";

/** Signs as senders do. */

export const standardSecret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
export const plainSecret = "a secret of more than sixteen bytes";

export function standardHeaders(id: string, seconds: number, body: Buffer, secret = standardSecret) {
  return signStandard(secret, id, seconds, body);
}

export function standardKeyPair() {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  const headers = (id: string, seconds: number, body: Buffer) => {
    const signed = Buffer.concat([Buffer.from(`${id}.${seconds}.`), body]);
    const signature = `v1a,${sign(null, signed, privateKey).toString("base64")}`;
    return { "webhook-id": id, "webhook-timestamp": String(seconds), "webhook-signature": signature };
  };
  return { secret: `whpk_${raw.toString("base64")}`, headers };
}

export function githubHeaders(id: string, body: Buffer, secret = plainSecret) {
  const mac = createHmac("sha256", secret).update(body).digest("hex");
  return { "x-hub-signature-256": `sha256=${mac}`, "x-github-delivery": id, "x-github-event": "push" };
}

export function stripeHeaders(seconds: number, body: Buffer, secret = plainSecret) {
  const mac = createHmac("sha256", secret).update(`${seconds}.`).update(body).digest("hex");
  return { "stripe-signature": `t=${seconds},v1=${mac},v0=${"0".repeat(64)}` };
}

export function distinct(headers: Readonly<Record<string, string>>): Record<string, readonly string[]> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]]));
}
