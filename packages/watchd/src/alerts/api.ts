import { randomBytes } from "node:crypto";
import type { Handler } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";
import { testKey } from "./core.ts";
import type { AlertsEngine } from "./engine.ts";
import type { Message } from "./notice.ts";
import type { Alerts } from "./runtime.ts";
import { newSink, placeOf } from "./state.ts";

/** How long a test is waited for. A sink has 15 s for one attempt. */
const testWithinMs = 20_000;

/** The requests about alerts that watchd answers on its socket. */
export function alertRoutes(alerts: Alerts): Readonly<Record<string, Handler>> {
  return {
    "GET /v1/alerts": async () => status(alerts),
    "POST /v1/alerts/test": ({ body }) => test(alerts, body),
  };
}

function status({ setting, engine, heartbeat }: Alerts): object {
  const state = engine?.state;
  const messages = Object.values(state?.messages ?? {}).sort((a, b) => a.n - b.n);
  const sinks = Object.entries(setting.alerts?.sinks ?? {}).map(([name, { kind, fallback }]) => {
    const { denied, failingSince, why, retryAt, unlisted } = state?.sinks[name] ?? newSink;
    return {
      name,
      kind,
      fallback,
      state: denied ? "denied" : failingSince === null ? "ok" : "failing",
      why,
      failingSince: iso(failingSince),
      retryAt: iso(retryAt),
      waiting: messages.filter((each) => each.sink === name && each.status === "waiting").length,
      gathered: Object.keys(state?.gathered ?? {}).filter((place) => place.startsWith(placeOf(name, "")))
        .length,
      unlisted: unlisted?.count ?? 0,
    };
  });
  const open = Object.values(state?.conditions ?? {}).filter(({ isOpen }) => isOpen);
  return {
    schemaVersion: 1,
    sinks,
    deadMansSwitch:
      setting.alerts?.deadMansSwitch == null
        ? null
        : {
            lastBeatAt: iso(heartbeat.lastBeatAt),
            why: heartbeat.why,
            everyMs: setting.alerts.deadMansSwitch.everyMs,
          },
    open: open.map(({ key, severity, title, incident, since }) => ({
      key,
      severity,
      title,
      incident,
      since: iso(since),
    })),
    messages: messages.map(messageStatus),
  };
}

function messageStatus(message: Message): object {
  const {
    id,
    sink,
    notice,
    count,
    status: state,
    attempts,
    createdAt,
    finishedAt,
    why,
    providerId,
  } = message;
  return {
    id,
    sink,
    state,
    kind: message.isTest ? "test" : notice.state,
    key: notice.key,
    severity: notice.severity,
    title: notice.title,
    incident: notice.incident,
    members: count,
    insteadOf: message.insteadOf,
    attempts,
    createdAt: iso(createdAt),
    finishedAt: iso(finishedAt),
    why,
    providerId,
  };
}

/** @throws WATCHD_E_UNKNOWN_SINK */
async function test({ setting, engine }: Alerts, body: unknown): Promise<object> {
  const names = Object.keys(setting.alerts?.sinks ?? {});
  const wanted = textIn(body, "sink");
  const sinks = wanted === undefined ? names : names.filter((name) => name === wanted);
  if (sinks.length === 0 || engine === null) {
    const message =
      wanted === undefined ? "this generation has no sinks" : `this generation has no sink ${wanted}`;
    throw watchdErrors.make("WATCHD_E_UNKNOWN_SINK", message, {
      hint:
        names.length === 0 ? "Declare some in `alerts.sinks` of the host." : `It has: ${names.join(", ")}.`,
    });
  }
  const id = randomBytes(6).toString("hex");
  await engine.ask({ type: "test", sinks, by: textIn(body, "by") ?? "somebody", id });
  const key = testKey(setting.host, id);
  const tried = (message: Message) => message.status !== "waiting" || message.why !== null;
  await engine.untilWithin(() => testsOf(engine, key).every(tried), testWithinMs);
  return { schemaVersion: 1, results: testsOf(engine, key).map(messageStatus) };
}

function testsOf({ state }: AlertsEngine, key: string): readonly Message[] {
  return Object.values(state.messages)
    .filter(({ notice }) => notice.key === key)
    .sort((a, b) => a.n - b.n);
}

function textIn(body: unknown, key: string): string | undefined {
  const value = typeof body === "object" && body !== null ? Reflect.get(body, key) : undefined;
  if (value === undefined || value === null) return undefined;
  if (typeof value === "string" && value.length > 0 && value.length <= 200) return value;
  throw watchdErrors.make("WATCHD_E_BAD_REQUEST", `\`${key}\` must be a text of 1 to 200 characters`);
}

function iso(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString();
}
