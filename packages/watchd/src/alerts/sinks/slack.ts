import { sinkUrl } from "@daruma/config";
import { type HttpSink, json, judgeStatus, oneLine, secretUrl, unlike } from "./sink.ts";
import { body, cut, fitLines, headline } from "./text.ts";

/**
 * Slack incoming webhooks (docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, /reference/block-kit/blocks):
 * header 150 characters, text of a section 3,000, one message a second, 429 with Retry-After. `&`, `<` and `>` are control
 * characters of its text. The answer to success is `ok`, as plain text.
 */
export const slack: HttpSink = {
  request(message, { host, config, secret }) {
    const url = secretUrl(secret, sinkUrl(config));
    if (url === null) return { problem: `the credential is no URL below ${sinkUrl(config)}` };
    const heading = headline(message, host);
    const details = body(message);
    const section = (text: string) => ({ type: "section", text: { type: "mrkdwn", text, verbatim: true } });
    const blocks = [
      { type: "header", text: { type: "plain_text", text: cut(heading, 150), emoji: false } },
      ...(heading.length > 150 ? [section(fit([heading], 3_000))] : []),
      ...(details.length > 0 ? [section(fit(details, 3_000))] : []),
    ];
    return json(url.href, { text: fit([heading], 3_000), blocks, unfurl_links: false, unfurl_media: false });
  },
  judge(answer, now) {
    const outcome = judgeStatus(answer, now);
    if (outcome !== null) return outcome;
    if (answer.body.trim() === "ok") return { kind: "sent", providerId: null };
    return unlike(answer, `"ok" (${oneLine(answer.body)})`);
  },
};

/** Escaping makes text longer, up to five times: it is measured afterwards. */
function fit(lines: readonly string[], most: number): string {
  for (let room = most; room > 100; room -= 200) {
    const text = escaped(fitLines(lines, room));
    if (text.length <= most) return text;
  }
  return escaped(fitLines(lines, 100));
}

function escaped(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}
