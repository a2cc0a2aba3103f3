import { createHmac } from "node:crypto";
import { standardKey } from "./verify.ts";

/**
 * The headers of Standard Webhooks 1.0 for a body, as `verifyDelivery` takes them.
 *
 * @param secret `whsec_` and the key, of the form that `secretProblem` accepts
 * @param seconds Unix time
 */
export function signStandard(
  secret: string,
  id: string,
  seconds: number,
  body: Uint8Array,
): Readonly<Record<"webhook-id" | "webhook-timestamp" | "webhook-signature", string>> {
  const key = standardKey(secret);
  if (key === null) throw new Error("a message is signed with a secret of the form whsec_…");
  const mac = createHmac("sha256", key).update(`${id}.${seconds}.`).update(body).digest("base64");
  return { "webhook-id": id, "webhook-timestamp": String(seconds), "webhook-signature": `v1,${mac}` };
}
