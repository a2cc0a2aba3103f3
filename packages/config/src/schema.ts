import { Schema } from "effect";
import { AgentAlertsSchema, HostAlertsSchema } from "./alerts/schema.ts";
import { choice, choices, duration, wholeNumber } from "./codecs.ts";
import { HealthSchema, HeartbeatSchema } from "./detector-schema.ts";
import { DriftSchema } from "./drift-schema.ts";
import { AllowSchema, FleetEgressSchema, HostEgressSchema } from "./egress/schema.ts";
import { escalations } from "./manifest.ts";
import { MetricsSchema } from "./metrics-schema.ts";
import { defaulted, optional, required } from "./option.ts";
import { FallbackSchema, processFields, programFields } from "./program-schema.ts";
import { DependenciesSchema, ProgressSchema, ResourcesSchema } from "./resource-schema.ts";
import { RestartSchema } from "./restart-schema.ts";
import { RoutineSchema } from "./routine-schema.ts";
import { systems } from "./words.ts";

/** One agent, as a fleet file describes it. */
export const AgentSchema = Schema.Struct({
  ...programFields("agent"),
  startup: defaulted(duration("1ms", "1d"), {
    description:
      "With a health check: time in which failing probes do not count. Without: how long a run lasts until it counts as healthy.",
    default: "30s",
    example: "60s",
  }),
  health: optional(HealthSchema, {
    description: "How the agent's health is probed. Without it: an agent that runs is healthy.",
    example: { http: "http://127.0.0.1:8080/health", every: "3s", expect: { status: 200, within: "1s" } },
  }),
  heartbeat: optional(HeartbeatSchema, {
    description:
      "How the agent shows that it gets on. Without it: an agent that hangs is found by its health check alone.",
    example: { through: "http", every: "5s", silence: "15s" },
  }),
  progress: optional(ProgressSchema, {
    description: "How the agent shows that its work gets on. Without it: nobody looks.",
    example: { within: "10m" },
  }),
  resources: optional(ResourcesSchema, {
    description:
      "What the agent may use; if it uses more, it is restarted at a moment that suits it. Without it: whatever there is.",
    example: { memory: "384MiB", leak: { growth: "64MiB", within: "30m" }, openFiles: 4096 },
  }),
  dependencies: defaulted(DependenciesSchema, {
    description:
      "What the agent needs of others: name -> where it is. While it is not reached, failures are put down to it, and nothing is rolled back.",
    default: {},
    example: { db: "tcp://db.example.com:5432", api: "https://api.example.com/health" },
  }),
  restart: defaulted(RestartSchema, {
    description: "When and how fast the agent is started again.",
    default: {},
  }),
  ...processFields("agent"),
  escalate: defaulted(choices(escalations), {
    description:
      "What is tried, in this order, when restarting is not enough: the `fallback` settings, the agent alone as a known-good generation has it (`rollback-agent`), the whole system (`rollback`). `alert` tells a person whenever nothing of that is left.",
    default: ["rollback", "alert"],
    example: ["rollback-agent", "rollback", "alert"],
  }),
  fallback: optional(FallbackSchema, {
    description:
      "Other settings to run with when restarting is not enough: before anything else, unless `escalate` names `fallback` at another place.",
    example: { environment: { SAFE_MODE: "1" } },
  }),
  egress: optional(AllowSchema, {
    description:
      "What the agent may reach: names and networks with their ports; nothing else. Without it, and without rules of its host or fleet: everything.",
    example: [
      "api.example.com:443",
      "*.s3.amazonaws.com:443",
      { host: "db.example.com", port: 5432, protocol: "postgres", forward: 15432 },
    ],
  }),
  alerts: defaulted(AgentAlertsSchema, {
    description: "Of what is told, and to whom, where that is not as the host says.",
    default: {},
  }),
  required: defaulted(Schema.Boolean.annotate({ expected: "true or false" }), {
    description: "Whether a generation counts as known-good only once this agent stayed healthy.",
    default: true,
  }),
}).annotate({ expected: "an object with the key command" });

/** The host's policy on generations. */
export const WatchdogSchema = Schema.Struct({
  probation: defaulted(duration("1ms", "7d"), {
    description: "How long every required agent stays healthy until a generation is known-good.",
    default: "10m",
  }),
  rollbackBudget: defaulted(wholeNumber(0, 10), {
    description: "How many automatic rollbacks may leave one and the same generation. 0 turns them off.",
    default: 1,
  }),
  restartsAtOnce: defaulted(wholeNumber(1, 100_000), {
    description:
      "How many agents that have failed may be starting up again at the same time; others wait for their turn.",
    default: 10,
  }),
}).annotate({ expected: "an object" });

/** One host, as a fleet file describes it. */
export const HostSchema = Schema.Struct({
  system: required(choice(systems), { description: "Nix system of the host.", example: "x86_64-linux" }),
  agents: required(Schema.Record(Schema.String, AgentSchema).annotate({ expected: "an object of agents" }), {
    description: "The agents that run on the host, by name.",
  }),
  routines: defaulted(
    Schema.Record(Schema.String, RoutineSchema).annotate({ expected: "an object of routines" }),
    { description: "The routines that run on the host, by name.", default: {} },
  ),
  watchdog: defaulted(WatchdogSchema, {
    description: "When to trust and when to leave a generation.",
    default: {},
  }),
  drift: defaulted(DriftSchema, {
    description: "What is done when the host is no longer what its generation says.",
    default: {},
  }),
  egress: defaulted(HostEgressSchema, {
    description: "What the agents and routines of the host may reach, and the limits of that.",
    default: {},
  }),
  alerts: defaulted(HostAlertsSchema, {
    description: "Who is told when something is wrong, and of what.",
    default: {},
  }),
  metrics: optional(MetricsSchema, {
    description:
      "That Prometheus can read metrics of the host: at the socket /run/daruma-metrics/metrics.sock, and at a port. Without it: nothing serves them.",
    example: { port: 9464 },
  }),
}).annotate({ expected: "an object with the keys system and agents" });

/** The whole fleet file. */
export const FleetSchema = Schema.Struct({
  hosts: required(Schema.Record(Schema.String, HostSchema).annotate({ expected: "an object of hosts" }), {
    description: "The hosts of the fleet, by host name.",
  }),
  egress: defaulted(FleetEgressSchema, {
    description: "What the agents and routines of every host may reach.",
    default: {},
  }),
}).annotate({ expected: "an object with the key hosts" });
