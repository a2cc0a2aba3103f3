import { sinkUrl } from "@daruma/config";
import { below, type HttpSink, json, judgeStatus, objectIn, textOf, unlike } from "./sink.ts";
import { body, cut, fitLines, headline } from "./text.ts";

/**
 * PagerDuty Events API v2 (developer.pagerduty.com/docs/send-alert-event, /docs/send-change-event): routing_key 32 characters,
 * dedup_key 255, summary 1,024, the event 512 KB; 202 for success; 429 for too many. What has happened once, and can never be over, is a
 * change event: an alert would stay open.
 */
export const pagerduty: HttpSink = {
  request(message, { host, config, secret }) {
    const routingKey = secret.trim();
    if (!/^[A-Za-z0-9]{32}$/.test(routingKey))
      return { problem: "the credential is no routing key of 32 characters" };
    const { notice } = message;
    const summary = cut(headline(message, host), 1_024);
    const timestamp = new Date(notice.at).toISOString();
    const details = fitLines(body(message), 100_000);
    if (notice.state === "event" && !isAlarming(notice.severity)) {
      return json(below(sinkUrl(config), "/v2/change/enqueue"), {
        routing_key: routingKey,
        payload: { summary, source: host, timestamp, custom_details: { details } },
      });
    }
    return json(below(sinkUrl(config), "/v2/enqueue"), {
      routing_key: routingKey,
      event_action: notice.state === "over" ? "resolve" : "trigger",
      dedup_key: cut(notice.state === "event" ? `${notice.key}/${message.id}` : notice.key, 255),
      client: "Daruma",
      payload: {
        summary,
        source: host,
        severity: notice.severity,
        timestamp,
        component: notice.about.name,
        group: notice.about.kind,
        class: classOf(notice.key),
        custom_details: { details, incident: notice.incident, message: message.id },
      },
    });
  },
  judge(answer, now) {
    const outcome = judgeStatus(answer, now);
    if (outcome !== null) return outcome;
    const answered = objectIn(answer.body);
    if (answered?.status !== "success") return unlike(answer, '"status": "success"');
    return { kind: "sent", providerId: textOf(answered.dedup_key) };
  },
};

function isAlarming(severity: string): boolean {
  return severity === "error" || severity === "critical";
}

function classOf(key: string): string {
  return key.split("/").slice(1, 2).join("") || "daruma";
}
