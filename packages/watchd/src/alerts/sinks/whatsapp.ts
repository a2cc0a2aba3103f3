import { sinkUrl } from "@daruma/config";
import type { Outcome } from "../notice.ts";
import { below, type HttpSink, json, judgeStatus, objectIn, textOf, unlike } from "./sink.ts";
import { body, cut, fitLines, wordOf } from "./text.ts";

/**
 * WhatsApp by Meta's Cloud API (developers.facebook.com/docs/whatsapp/cloud-api/guides/send-message-templates). Free text may go only to
 * who has written within the last 24 hours (131047), which nobody has who is to be alarmed: so it is always an approved template,
 * whose body has three variables: the state, the title, and details. A body has 1,024 characters; a variable has no line breaks, no
 * tabs and no five spaces in a row.
 */
export const whatsapp: HttpSink = {
  request(message, { host, config, secret }) {
    const token = secret.trim();
    if (!/^[\x21-\x7e]{20,}$/.test(token)) return { problem: "the credential is no access token" };
    if (!/^\d{5,20}$/.test(config.from ?? "")) return { problem: "from is no ID of a phone number" };
    const { notice } = message;
    const details = fitLines(body(message), 600).replace(/\n/g, " · ");
    const variables = [message.isTest ? "TEST" : wordOf(notice), `${host}: ${notice.title}`, details];
    const parameters = variables.map((text, index) => ({
      type: "text",
      text: cut(flat(text), index === 1 ? 250 : 600),
    }));
    return json(
      below(sinkUrl(config), `/${config.from}/messages`),
      {
        messaging_product: "whatsapp",
        recipient_type: "individual",
        to: config.to[0],
        type: "template",
        template: {
          name: config.template,
          language: { code: config.language },
          components: [{ type: "body", parameters }],
        },
      },
      { authorization: `Bearer ${token}` },
    );
  },
  judge(answer, now) {
    const answered = objectIn(answer.body);
    const error = answered?.error;
    if (typeof error === "object" && error !== null)
      return judgeError(Reflect.get(error, "code"), answer.body, answer.status);
    const outcome = judgeStatus(answer, now);
    if (outcome !== null) return outcome;
    const [first] = Array.isArray(answered?.messages) ? (answered.messages as unknown[]) : [];
    const id = typeof first === "object" && first !== null ? textOf(Reflect.get(first, "id")) : null;
    return id === null ? unlike(answer, "the message's id") : { kind: "sent", providerId: id };
  },
};

/** Too many messages, to this number or in all, and troubles of the service itself (developers.facebook.com/…/support/error-codes). */
const passing = new Set([1, 2, 4, 80007, 130429, 131000, 131016, 131048, 131056, 131057, 133004]);
/** A message that is wrong by itself. */
const faultOfMessage = new Set([131009, 132005, 132012, 132018]);

function judgeError(code: unknown, body: string, status: number): Outcome {
  const why = `HTTP ${status}, error ${String(code)}: ${flat(body).slice(0, 150)}`;
  if (typeof code === "number" && passing.has(code)) return { kind: "later", why, retryAfterMs: null };
  if (status >= 500) return { kind: "later", why, retryAfterMs: null };
  if (typeof code === "number" && faultOfMessage.has(code)) return { kind: "refused", why };
  return { kind: "denied", why };
}

function flat(text: string): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, " ").trim();
  return line === "" ? "-" : line;
}
