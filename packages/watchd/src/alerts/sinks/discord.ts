import { type AlertSeverity, sinkUrl } from "@daruma/config";
import { type HttpSink, json, judgeStatus, objectIn, secretUrl, textOf, unlike } from "./sink.ts";
import { body, cut, fitLines, headline } from "./text.ts";

const colours: Readonly<Record<AlertSeverity | "over", number>> = {
  info: 0x3498db,
  warning: 0xf1c40f,
  error: 0xe67e22,
  critical: 0xe74c3c,
  over: 0x2ecc71,
};

/**
 * Discord webhooks (discord.com/developers/docs/resources/webhook#execute-webhook): content 2,000 characters, title of an embed 256,
 * its description 4,096, embeds 6,000 together. With `wait=true` the answer is the message. Nobody is mentioned by what an
 * agent has said. 429 has `retry_after`, in seconds, in its body.
 */
export const discord: HttpSink = {
  request(message, { host, config, secret }) {
    const url = secretUrl(secret, sinkUrl(config));
    if (url === null) return { problem: `the credential is no URL below ${sinkUrl(config)}` };
    url.searchParams.set("wait", "true");
    const heading = headline(message, host);
    const { notice } = message;
    const embed = {
      title: cut(heading, 256),
      ...(heading.length > 256 || body(message).length > 0
        ? { description: fitLines(heading.length > 256 ? [heading, ...body(message)] : body(message), 4_096) }
        : {}),
      color: colours[notice.state === "over" ? "over" : notice.severity],
      timestamp: new Date(notice.at).toISOString(),
    };
    return json(url.href, { content: "", embeds: [embed], allowed_mentions: { parse: [] } });
  },
  judge(answer, now) {
    const outcome = judgeStatus(answer, now);
    if (outcome?.kind === "later") {
      const asked = objectIn(answer.body)?.retry_after;
      return typeof asked === "number" && asked >= 0
        ? { ...outcome, retryAfterMs: Math.max(Math.ceil(asked * 1000), outcome.retryAfterMs ?? 0) }
        : outcome;
    }
    if (outcome !== null) return outcome;
    const id = textOf(objectIn(answer.body)?.id);
    return id === null ? unlike(answer, "the message's id") : { kind: "sent", providerId: id };
  },
};
