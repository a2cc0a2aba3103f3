import { Schema } from "effect";
import { RoutineAlertsSchema } from "./alerts/schema.ts";
import { choice, duration, text, wholeNumber } from "./codecs.ts";
import { AllowSchema } from "./egress/schema.ts";
import { ExpectSchema } from "./expect-schema.ts";
import { missedPolicies, overlapPolicies } from "./manifest.ts";
import { defaulted, optional } from "./option.ts";
import { processFields, programFields } from "./program-schema.ts";
import { BackoffSchema } from "./restart-schema.ts";
import { triggerFields } from "./trigger-schema.ts";

const schedule = text(
  "a cron expression",
  (value) => (value.trim() === "" ? "must not be empty" : undefined),
  { pattern: ".+" },
);

const groupPattern = "[a-z][a-z0-9-]{0,62}";
const groupForm = new RegExp(`^${groupPattern}$`);
const groupRule = 'a group\'s name has characters from a-z, 0-9 and "-", and starts with a letter';

/** One routine, as a fleet file describes it. What schedules mean is checked in lints.ts. */
export const RoutineSchema = Schema.Struct({
  ...programFields("routine"),
  schedule: optional(schedule, {
    description:
      "When it runs: a cron expression, @daily and the like, or @every 15m (docs/concepts/schedules.md); several of them, one a line. Without it: only by events or by hand.",
    example: "0 2 * * *",
  }),
  timezone: defaulted(
    text("an IANA time zone", () => undefined),
    {
      description: "Time zone of the schedule.",
      default: "UTC",
      example: "Europe/Berlin",
    },
  ),
  atBoot: defaulted(Schema.Boolean.annotate({ expected: "true or false" }), {
    description: "Whether it also runs once for each boot of the host.",
    default: false,
  }),
  after: defaulted(Schema.Array(schedule).annotate({ expected: "a list of routines" }), {
    description: "Routines of the host after whose success it also runs.",
    default: [],
    example: ["extract"],
  }),
  ...triggerFields,
  overlap: defaulted(choice(overlapPolicies), {
    description: "What becomes of a run that is due while another is active.",
    default: "skip",
  }),
  limit: defaulted(wholeNumber(1, 1000), {
    description:
      "With overlap queue: how many runs wait at most. With parallel: how many are active at most.",
    default: 10,
  }),
  missed: defaulted(choice(missedPolicies), {
    description: "Which of the times that passed while the host was off are caught up.",
    default: "one",
  }),
  catchUp: defaulted(duration("0ms", "366d"), {
    description: "Times that are longer ago than this are never caught up.",
    default: "1d",
  }),
  jitter: defaulted(duration("0ms", "1d"), {
    description: "A run is put off by up to this, by a share that depends on its name and time alone.",
    default: "0ms",
  }),
  deadline: optional(duration("1s", "366d"), {
    description: "A run that has not started this long after its time is dropped. Without it: it waits.",
    example: "1h",
  }),
  group: optional(
    text("a name", (value) => (groupForm.test(value) ? undefined : groupRule), { pattern: groupPattern }),
    {
      description: "At most one run of all routines in a group is active at a time.",
      example: "warehouse",
    },
  ),
  retries: defaulted(wholeNumber(0, 1000), {
    description: "How many times a run that failed is started again.",
    default: 0,
  }),
  backoff: defaulted(BackoffSchema, { description: "Delays before a run is started again.", default: {} }),
  timeout: optional(duration("1s", "366d"), {
    description: "How long one attempt may take. Without it: as long as it likes.",
    example: "2h",
  }),
  expect: defaulted(ExpectSchema, {
    description: "What a run that succeeds is expected to tell of its result; else an anomaly is recorded.",
    default: {},
    example: { loaded: { min: 1, deviation: 0.5 }, errors: { max: 0 } },
  }),
  alerts: defaulted(RoutineAlertsSchema, {
    description: "Of what is told, and to whom, where that is not as the host says.",
    default: {},
  }),
  ...processFields("routine"),
  egress: optional(AllowSchema, {
    description:
      "What its runs may reach: names and networks with their ports; nothing else. Without it, and without rules of its host or fleet: everything.",
    example: ["api.example.com:443", { host: "db.example.com", port: 5432, protocol: "postgres" }],
  }),
}).annotate({ expected: "an object with the key command" });
