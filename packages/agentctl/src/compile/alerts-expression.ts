import {
  type AgentAlerts,
  type AlertsManifest,
  type DeadMansSwitch,
  formatDuration,
  type QuietHours,
  type RoutineAlerts,
  type SinkManifest,
} from "@daruma/config";
import {
  type NixExpression,
  nixBoolean,
  nixList,
  nixNull,
  nixNumber,
  nixSet,
  nixString,
} from "./nix-expression.ts";

/** `alerts` of a host. What an agent has of its host is spelled out with the agent. */
export function alertsExpression(alerts: AlertsManifest | null): NixExpression {
  const { digest, giveUpMs } = alerts ?? nobody;
  return nixSet({
    sinks: nixSet(
      Object.fromEntries(
        Object.entries(alerts?.sinks ?? {}).map(([name, sink]) => [name, sinkExpression(sink)]),
      ),
    ),
    to: nixList((alerts?.to ?? []).map(nixString)),
    agents: nixString("unresolved"),
    after: nixString("10m"),
    routines: nixList(["failure", "anomaly"].map(nixString)),
    quiet: quietExpression(alerts?.quiet ?? null),
    digest: nixSet({
      after: nixNumber(digest.after),
      within: nixString(formatDuration(digest.withinMs)),
      every: nixString(formatDuration(digest.everyMs)),
    }),
    giveUp: nixString(formatDuration(giveUpMs)),
    deadMansSwitch: switchExpression(alerts?.deadMansSwitch ?? null),
  });
}

/** What a host says that tells nobody: as the schema has it, so that adding a sink changes nothing else. */
const nobody = { digest: { after: 5, withinMs: 60_000, everyMs: 300_000 }, giveUpMs: 259_200_000 } as const;

/** `alerts` of an agent; undefined for one of a host that tells nobody. */
export function agentAlertsExpression(alerts: AgentAlerts | undefined): NixExpression {
  return nixSet({
    on: text(alerts?.on ?? null),
    after: alerts === undefined ? nixNull : nixString(formatDuration(alerts.afterMs)),
    to: alerts === undefined ? nixNull : nixList(alerts.to.map(nixString)),
  });
}

/** `alerts` of a routine; undefined for one of a host that tells nobody. */
export function routineAlertsExpression(alerts: RoutineAlerts | undefined): NixExpression {
  return nixSet({
    on: alerts === undefined ? nixNull : nixList(alerts.on.map(nixString)),
    to: alerts === undefined ? nixNull : nixList(alerts.to.map(nixString)),
  });
}

function sinkExpression(sink: SinkManifest): NixExpression {
  return nixSet({
    kind: nixString(sink.kind),
    credential: text(sink.credential),
    url: text(sink.url),
    from: text(sink.from),
    to: nixList(sink.to.map(nixString)),
    user: text(sink.user),
    template: text(sink.template),
    language: nixString(sink.language),
    fallback: text(sink.fallback),
    private: nixBoolean(sink.private),
  });
}

function quietExpression(quiet: QuietHours | null): NixExpression {
  if (quiet === null) return nixNull;
  return nixSet({
    from: nixString(quiet.from),
    to: nixString(quiet.to),
    timezone: nixString(quiet.timezone),
    except: nixString(quiet.except),
  });
}

function switchExpression(given: DeadMansSwitch | null): NixExpression {
  if (given === null) return nixNull;
  return nixSet({
    credential: nixString(given.credential),
    url: nixString(given.url),
    every: nixString(formatDuration(given.everyMs)),
    private: nixBoolean(given.private),
  });
}

function text(value: string | null): NixExpression {
  return value === null ? nixNull : nixString(value);
}
