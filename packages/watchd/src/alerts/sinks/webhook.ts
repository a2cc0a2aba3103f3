import { sinkUrl } from "@daruma/config";
import { signStandard } from "../../webhooks/sign.ts";
import { secretProblem } from "../../webhooks/verify.ts";
import type { Message, Notice } from "../notice.ts";
import { type HttpSink, json, judgeStatus } from "./sink.ts";
import { cut } from "./text.ts";

/** Standard Webhooks advises to stay below 20 KB; members beyond it are counted only. */
const mostBytes = 20_000;

/**
 * Standard Webhooks 1.0 (github.com/standard-webhooks/standard-webhooks): `type`, `timestamp` and `data`, signed with HMAC-SHA256 over id,
 * time and body. The id is the same each time that a message is sent, so that a receiver can tell a repetition.
 */
export const webhook: HttpSink = {
  request(message, { host, config, secret, now }) {
    const key = secret.trim();
    const problem = key.startsWith("whpk_")
      ? "must be whsec_…, to sign with"
      : secretProblem("standard", key);
    if (problem !== undefined) return { problem: `the credential ${problem}` };
    let request = json(sinkUrl(config), document(message, host, message.members.length));
    for (let members = message.members.length; request.body.length > mostBytes && members > 0; ) {
      members = Math.floor(members * 0.7);
      request = json(sinkUrl(config), document(message, host, members));
    }
    const signed = signStandard(key, message.id, Math.floor(now / 1000), Buffer.from(request.body));
    return { ...request, headers: { ...request.headers, "user-agent": "Daruma", ...signed } };
  },
  judge(answer, now) {
    return judgeStatus(answer, now) ?? { kind: "sent", providerId: null };
  },
};

const types = { open: "alert.open", over: "alert.over", event: "alert.event" } as const;

function document(message: Message, host: string, members: number) {
  const { notice } = message;
  return {
    type: message.isTest ? "alert.test" : types[notice.state],
    timestamp: new Date(notice.at).toISOString(),
    data: {
      ...notificationOf(notice),
      host,
      ...(message.count === 0
        ? {}
        : {
            alerts: message.members.slice(0, members).map(notificationOf),
            alertsInAll: message.count,
          }),
      ...(message.insteadOf === null ? {} : { insteadOf: message.insteadOf }),
    },
  };
}

function notificationOf({ key, state, severity, title, details, about, incident, at, times }: Notice) {
  return {
    key,
    state,
    severity,
    title: cut(title, 1_000),
    details: details.slice(0, 20).map((line) => cut(line, 500)),
    about,
    incident,
    at: new Date(at).toISOString(),
    times,
  };
}
