import { messageOf } from "@daruma/base";
import { readAlerts } from "./alerts/read.ts";
import { configErrors, located } from "./catalogue.ts";
import { readEgress } from "./egress/read.ts";
import {
  type AgentManifest,
  type BackoffPolicy,
  type BodyPolicy,
  type CountBounds,
  type DriftPolicy,
  type Expectations,
  escalations,
  type FallbackManifest,
  type HealthPolicy,
  type HeartbeatPolicy,
  type HostManifest,
  type JsonScalar,
  type LeakPolicy,
  missedPolicies,
  overlapPolicies,
  type ProgressPolicy,
  type ResourcePolicy,
  type RestartPolicy,
  type RoutineEvents,
  type RoutineManifest,
  type StopPolicy,
  stopSignals,
  type WatchdogPolicy,
  type WebhookTrigger,
  webhookSchemes,
} from "./manifest.ts";
import {
  absolutePath,
  added,
  fields,
  flag,
  list,
  nonEmptyText,
  nullable,
  oneOf,
  reading,
  real,
  record,
  ShapeError,
  text,
  whereGiven,
  whole,
} from "./shape.ts";
import { backoffKinds, driftPolicies, exitMeanings, heartbeatPaths, restartConditions } from "./words.ts";

const milliseconds = whole(0);

const readBackoff = fields<BackoffPolicy>({
  kind: whereGiven(oneOf(backoffKinds)),
  initialMs: milliseconds,
  factor: real(1, Number.MAX_VALUE),
  maxMs: milliseconds,
  jitter: real(0, 1),
});

const readRestart = fields<RestartPolicy>({
  when: oneOf(restartConditions),
  exits: whereGiven(record(oneOf(exitMeanings))),
  backoff: readBackoff,
  attempts: whole(1),
  withinMs: milliseconds,
});

const number = real(-Number.MAX_VALUE, Number.MAX_VALUE);
const scalar = reading({ type: ["null", "string", "boolean", "number"] }, (value, path): JsonScalar => {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  return number(value, path);
});

const readHealth = fields<HealthPolicy>({
  url: nonEmptyText,
  everyMs: whole(1),
  withinMs: whole(1),
  status: whole(100, 599),
  body: added(nullable(fields<BodyPolicy>({ contains: nullable(nonEmptyText), json: record(scalar) })), null),
  failures: whole(1),
});

const readHeartbeat = fields<HeartbeatPolicy>({
  through: oneOf(heartbeatPaths),
  everyMs: whole(1),
  silenceMs: whole(1),
});

const readResources = fields<ResourcePolicy>({
  memoryBytes: nullable(whole(1)),
  leak: nullable(fields<LeakPolicy>({ growthBytes: whole(1), withinMs: whole(1) })),
  cpu: nullable(real(0, Number.MAX_VALUE)),
  openFiles: nullable(whole(1)),
  tasks: nullable(whole(1)),
  ioBytesPerSecond: nullable(whole(1)),
  latencyMs: nullable(whole(1)),
  sustainedMs: whole(1),
  restartWithinMs: milliseconds,
});

const words = list(text);
const commandSchema = { ...words.schema, prefixItems: [absolutePath.schema], minItems: 1 };
const readCommand = reading(commandSchema, (value, path): readonly string[] => {
  const command = words(value, path);
  if (command.length === 0) throw new ShapeError(path, "must not be empty");
  absolutePath(command[0], `${path}[0]`);
  return command;
});

const readLimits = fields<AgentManifest["limits"]>({ memoryBytes: nullable(whole(1)) });
const readStop = fields<StopPolicy>({ signal: oneOf(stopSignals), graceMs: milliseconds });

export const readAgent = fields<AgentManifest>({
  digest: nonEmptyText,
  command: readCommand,
  environment: record(text),
  workingDirectory: nullable(absolutePath),
  credentials: record(absolutePath),
  startupMs: milliseconds,
  health: nullable(readHealth),
  heartbeat: added(nullable(readHeartbeat), null),
  progress: whereGiven(fields<ProgressPolicy>({ withinMs: whole(1) })),
  resources: whereGiven(readResources),
  dependencies: whereGiven(record(nonEmptyText)),
  restart: readRestart,
  limits: readLimits,
  stop: readStop,
  escalate: list(oneOf(escalations)),
  fallback: whereGiven(
    fields<FallbackManifest>({ digest: nonEmptyText, command: readCommand, environment: record(text) }),
  ),
  egress: added(nullable(readEgress), null),
  required: flag,
});

const readBounds = nullable(
  fields<CountBounds>({
    min: nullable(whole(0)),
    max: nullable(whole(0)),
    deviation: nullable(real(0, Number.MAX_VALUE)),
  }),
);

export const readRoutine = fields<RoutineManifest>({
  digest: nonEmptyText,
  command: readCommand,
  environment: record(text),
  workingDirectory: nullable(absolutePath),
  credentials: record(absolutePath),
  schedule: nullable(
    fields<NonNullable<RoutineManifest["schedule"]>>({ expression: nonEmptyText, timezone: nonEmptyText }),
  ),
  atBoot: flag,
  after: list(nonEmptyText),
  on: fields<RoutineEvents>({
    failed: list(nonEmptyText),
    recovered: list(nonEmptyText),
    ledger: list(
      fields<RoutineEvents["ledger"][number]>({ action: nonEmptyText, subject: nullable(nonEmptyText) }),
    ),
    files: list(absolutePath),
  }),
  webhook: nullable(
    fields<WebhookTrigger>({
      path: absolutePath,
      scheme: oneOf(webhookSchemes),
      secrets: list(absolutePath),
      listen: nonEmptyText,
      bodyBytes: whole(1),
    }),
  ),
  overlap: fields<RoutineManifest["overlap"]>({ kind: oneOf(overlapPolicies), limit: whole(1) }),
  missed: fields<RoutineManifest["missed"]>({ run: oneOf(missedPolicies), withinMs: milliseconds }),
  jitterMs: milliseconds,
  deadlineMs: nullable(milliseconds),
  group: nullable(nonEmptyText),
  retries: whole(0),
  backoff: readBackoff,
  timeoutMs: nullable(whole(1)),
  expect: fields<Expectations>({
    extracted: readBounds,
    transformed: readBounds,
    loaded: readBounds,
    errors: readBounds,
  }),
  limits: readLimits,
  stop: readStop,
  egress: added(nullable(readEgress), null),
});

const readManifest = fields<HostManifest>({
  schemaVersion: reading({ const: 1 }, (value) => {
    if (value === 1) return value;
    throw new ShapeError("schemaVersion", "must be 1");
  }),
  host: nonEmptyText,
  system: nonEmptyText,
  hostDigest: nonEmptyText,
  watchdog: fields<WatchdogPolicy>({
    probationMs: milliseconds,
    rollbackBudget: whole(0),
    restartsAtOnce: whereGiven(whole(1)),
  }),
  drift: whereGiven(
    fields<DriftPolicy>({
      policy: oneOf(driftPolicies),
      everyMs: whole(1),
      storeEveryMs: whole(1),
      attempts: whole(1),
      withinMs: whole(1),
      ignore: list(absolutePath),
    }),
  ),
  agents: record(readAgent),
  routines: added(record(readRoutine), {}),
  alerts: whereGiven(readAlerts),
});

/** What a `host.json` is. Readers leave out what they do not know, so it may hold more. */
export const manifestSchema = readManifest.schema;

/**
 * Reads the text of a `host.json`. Fields that are not known are left out, so that a release can read what the next one
 * writes under the same version.
 *
 * @param where the file, for the message.
 * @throws CONFIG_E_MANIFEST_VERSION when another release's reader is needed, CONFIG_E_MANIFEST for all else.
 */
export function parseManifest(text: string, where?: string): HostManifest {
  const document = manifestDocument(text, where);
  const version = versionOf(document);
  if (version !== undefined && version !== 1) {
    const message = `the manifest has schemaVersion ${version}, and this release reads only 1`;
    throw configErrors.make("CONFIG_E_MANIFEST_VERSION", message, located(where));
  }
  return readingManifest(() => readManifest(document, ""), where);
}

/** @throws CONFIG_E_MANIFEST for what is not JSON */
export function manifestDocument(text: string, where?: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = `the manifest is not JSON: ${messageOf(error)}`;
    throw configErrors.make("CONFIG_E_MANIFEST", message, { ...located(where), cause: error });
  }
}

/** @throws CONFIG_E_MANIFEST for what `read` finds to be wrong (ShapeError) */
export function readingManifest<T>(read: () => T, where?: string): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error;
    const problem = { path: error.path, message: error.message };
    const message = `the manifest is not valid: ${`${problem.path} ${problem.message}`.trim()}`;
    throw configErrors.make("CONFIG_E_MANIFEST", message, { ...located(where), problems: [problem] });
  }
}

function versionOf(document: unknown): number | undefined {
  if (typeof document !== "object" || document === null || !("schemaVersion" in document)) return undefined;
  return typeof document.schemaVersion === "number" ? document.schemaVersion : undefined;
}
