import { absolutePath, fields, flag, list, nonEmptyText, nullable, oneOf, record, whole } from "../shape.ts";
import {
  type AgentAlerts,
  type AlertsManifest,
  agentAlertLevels,
  alertSeverities,
  type DeadMansSwitch,
  type DigestPolicy,
  type QuietHours,
  type RoutineAlerts,
  routineAlertEvents,
  type SinkManifest,
  sinkKinds,
} from "./manifest.ts";

const names = list(nonEmptyText);

/** Reads what a manifest says of alerts. */
export const readAlerts = fields<AlertsManifest>({
  sinks: record(
    fields<SinkManifest>({
      kind: oneOf(sinkKinds),
      credential: nullable(absolutePath),
      url: nullable(nonEmptyText),
      from: nullable(nonEmptyText),
      to: names,
      user: nullable(nonEmptyText),
      template: nullable(nonEmptyText),
      language: nonEmptyText,
      fallback: nullable(nonEmptyText),
      private: flag,
    }),
  ),
  to: names,
  agents: record(fields<AgentAlerts>({ on: oneOf(agentAlertLevels), afterMs: whole(0), to: names })),
  routines: record(fields<RoutineAlerts>({ on: list(oneOf(routineAlertEvents)), to: names })),
  quiet: nullable(
    fields<QuietHours>({
      from: nonEmptyText,
      to: nonEmptyText,
      timezone: nonEmptyText,
      except: oneOf(alertSeverities),
    }),
  ),
  digest: fields<DigestPolicy>({ after: whole(1), withinMs: whole(1), everyMs: whole(1) }),
  giveUpMs: whole(1),
  deadMansSwitch: nullable(
    fields<DeadMansSwitch>({
      credential: absolutePath,
      url: nonEmptyText,
      everyMs: whole(1),
      private: flag,
    }),
  ),
});
