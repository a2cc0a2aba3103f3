import { sinkUrl } from "@daruma/config";
import { below, type HttpSink, json, judgeStatus, objectIn, textOf, unlike } from "./sink.ts";
import { body, fitLines, headline } from "./text.ts";

/**
 * Telegram's Bot API (core.telegram.org/bots/api#sendmessage): text 1 to 4,096 characters, and no `parse_mode`, so that nothing in it
 * is markup. Success is `ok: true` and not the status alone. 429 has `parameters.retry_after`, in seconds. The token is a part of
 * the URL.
 */
export const telegram: HttpSink = {
  request(message, { host, config, secret }) {
    const token = secret.trim();
    if (!/^\d+:[A-Za-z0-9_-]{20,}$/.test(token)) return { problem: "the credential is no token of a bot" };
    const { state, severity } = message.notice;
    return json(below(sinkUrl(config), `/bot${token}/sendMessage`), {
      chat_id: config.to[0],
      text: fitLines([headline(message, host), ...body(message)], 4_096),
      link_preview_options: { is_disabled: true },
      disable_notification: state === "over" || severity === "info",
    });
  },
  judge(answer, now) {
    const answered = objectIn(answer.body);
    const outcome = judgeStatus(answer, now);
    if (outcome?.kind === "later") {
      const asked = fieldOf(answered?.parameters, "retry_after");
      return typeof asked === "number" && asked >= 0 ? { ...outcome, retryAfterMs: asked * 1000 } : outcome;
    }
    // "chat not found" and "chat was upgraded" come as 400: the sink is set up wrongly, not the message.
    const says = textOf(answered?.description) ?? "";
    if (outcome?.kind === "refused" && /chat|group|bot/i.test(says))
      return { kind: "denied", why: outcome.why };
    if (outcome !== null) return outcome;
    const id = textOf(fieldOf(answered?.result, "message_id"));
    return answered?.ok !== true || id === null
      ? unlike(answer, '"ok": true')
      : { kind: "sent", providerId: id };
  },
};

function fieldOf(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined;
}
