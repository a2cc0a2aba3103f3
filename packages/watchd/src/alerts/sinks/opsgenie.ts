import { type AlertSeverity, sinkUrl } from "@daruma/config";
import { below, type HttpSink, json, judgeStatus, objectIn, textOf, unlike } from "./sink.ts";
import { body, cut, fitLines, headline } from "./text.ts";

const priorities: Readonly<Record<AlertSeverity, string>> = {
  critical: "P1",
  error: "P2",
  warning: "P3",
  info: "P5",
};

/**
 * Opsgenie's Alert API (docs.opsgenie.com/docs/alert-api): message 130 characters, alias 512, description 15,000, entity 512, source
 * 100, 20 tags of 50, values of details 8,000 together; an alert is closed by its alias, with a note of 25,000. 202 and `requestId` for
 * success. Jira Service Management takes the same requests under another URL.
 */
export const opsgenie: HttpSink = {
  request(message, { host, config, secret }) {
    const key = secret.trim();
    if (!/^[A-Za-z0-9-]{20,}$/.test(key)) return { problem: "the credential is no API key" };
    const headers = { authorization: `GenieKey ${key}` };
    const { notice } = message;
    const heading = headline(message, host);
    const alias = cut(notice.state === "event" ? `${notice.key}/${message.id}` : notice.key, 512);
    const base = below(sinkUrl(config), "/v2/alerts");
    const source = cut(host, 100);
    if (notice.state === "over") {
      const note = fitLines([heading, ...body(message)], 25_000);
      return json(
        `${base}/${encodeURIComponent(alias)}/close?identifierType=alias`,
        { source, note },
        headers,
      );
    }
    return json(
      base,
      {
        message: cut(heading, 130),
        alias,
        description: fitLines([heading, ...body(message)], 15_000),
        entity: cut(notice.about.name, 512),
        source,
        tags: ["daruma", notice.about.kind, notice.severity],
        details: {
          host,
          message: message.id,
          ...(notice.incident === null ? {} : { incident: notice.incident }),
        },
        priority: priorities[notice.severity],
      },
      headers,
    );
  },
  judge(answer, now) {
    const outcome = judgeStatus(answer, now);
    if (outcome !== null) return outcome;
    const id = textOf(objectIn(answer.body)?.requestId);
    return id === null ? unlike(answer, "a requestId") : { kind: "sent", providerId: id };
  },
};
