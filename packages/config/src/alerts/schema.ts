import { Schema } from "effect";
import { choice, duration, secretFile, text, wholeNumber } from "../codecs.ts";
import { defaulted, optional, required } from "../option.ts";
import { agentAlertLevels, alertSeverities, routineAlertEvents, sinkKinds } from "./manifest.ts";
import {
  clockTimePattern,
  clockTimeProblem,
  sinkNamePattern,
  sinkNameProblem,
  sinkUrlProblem,
} from "./words.ts";

/* Who is told of what. What depends on the kind of a sink, and names of sinks, are checked in lint.ts. */

const word = text(
  "a text",
  (value) => {
    if (value === "" || value.length > 320) return "must have 1 to 320 characters";
    // One of them would begin another header.
    return /\p{Cc}/u.test(value) ? "must not contain control characters" : undefined;
  },
  { pattern: ".{1,320}" },
);

const url = text("a URL", sinkUrlProblem, { pattern: "(https?|smtps?)://.+" });
const sinkName = text("the name of a sink", sinkNameProblem, { pattern: sinkNamePattern });
const sinkNames = Schema.Array(sinkName).annotate({ expected: "a list of names of sinks" });
const flag = Schema.Boolean.annotate({ expected: "true or false" });
const clockTime = text("a time of day", clockTimeProblem, { pattern: clockTimePattern });
const events = Schema.Array(choice(routineAlertEvents)).annotate({ expected: "a list" });
const afterMs = duration("0ms", "30d");

const SinkSchema = Schema.Struct({
  kind: required(choice(sinkKinds), { description: "What kind of service it is.", example: "slack" }),
  credential: optional(secretFile, {
    description:
      "File of the secret: the webhook's URL for slack and discord, the token or key for telegram, pagerduty, opsgenie and whatsapp, the signing secret (whsec_…) for webhook, the password for email.",
    example: "/run/secrets/slack-url",
  }),
  url: optional(url, {
    description:
      "Where it is. Needed for webhook (https://…) and email (smtps://HOST:465 or smtp://HOST:587); for others only where it is not the usual place.",
    example: "https://events.eu.pagerduty.com",
  }),
  from: optional(word, {
    description: "Sender: an address for email, the ID of the phone number for whatsapp.",
    example: "daruma@example.com",
  }),
  to: defaulted(Schema.Array(word).annotate({ expected: "a list of recipients" }), {
    description:
      "Recipients: addresses for email; the chat for telegram and the number for whatsapp, one each.",
    default: [],
    example: ["oncall@example.com"],
  }),
  user: optional(word, {
    description: "Name under which email logs in. Without it: no login.",
    example: "daruma",
  }),
  template: optional(word, {
    description:
      "Name of the approved whatsapp template, whose body has three variables: state, title and details.",
    example: "daruma_alert",
  }),
  language: defaulted(word, { description: "Language of the whatsapp template.", default: "en" }),
  fallback: optional(sinkName, {
    description: "Sink that is told as well where this one cannot be.",
    example: "mail",
  }),
  private: defaulted(flag, {
    description: "Whether its host may have an address that is not public.",
    default: false,
  }),
}).annotate({ expected: "an object with the key kind" });

const QuietSchema = Schema.Struct({
  from: required(clockTime, { description: "When it begins, each day.", example: "22:00" }),
  to: required(clockTime, {
    description: "When it ends; before `from` if it goes over midnight.",
    example: "07:00",
  }),
  timezone: defaulted(
    text("an IANA time zone", () => undefined),
    { description: "Time zone of both.", default: "UTC", example: "Europe/Berlin" },
  ),
  except: defaulted(choice(alertSeverities), {
    description: "The least severity that is sent all the same.",
    default: "critical",
  }),
}).annotate({ expected: "an object with the keys from and to" });

const DigestSchema = Schema.Struct({
  after: defaulted(wholeNumber(1, 1000), {
    description: "Messages to one sink within `within` after which further ones are gathered.",
    default: 5,
  }),
  within: defaulted(duration("1s", "1d"), {
    description: "Time in which `after` are counted.",
    default: "1m",
  }),
  every: defaulted(duration("1s", "1d"), {
    description: "How often what was gathered is sent, as one message.",
    default: "5m",
  }),
}).annotate({ expected: "an object" });

const SwitchSchema = Schema.Struct({
  credential: required(secretFile, {
    description: "File of the URL that is asked for as long as all is well.",
    example: "/run/secrets/monitor-url",
  }),
  url: required(url, {
    description: "Beginning of that URL: scheme and host, and the port if it is not the usual one.",
    example: "https://hc-ping.com",
  }),
  every: defaulted(duration("10s", "1d"), { description: "How often it is asked for.", default: "1m" }),
  private: defaulted(flag, {
    description: "Whether its host may have an address that is not public.",
    default: false,
  }),
}).annotate({ expected: "an object with the keys credential and url" });

/** `alerts` of a host. */
export const HostAlertsSchema = Schema.Struct({
  sinks: defaulted(Schema.Record(Schema.String, SinkSchema).annotate({ expected: "an object of sinks" }), {
    description: "Those who are told, by name.",
    default: {},
    example: { chat: { kind: "slack", credential: "/run/secrets/slack-url" } },
  }),
  to: defaulted(sinkNames, {
    description:
      "Sinks for what no agent and no routine sends elsewhere. Empty: every sink that is not the fallback of another.",
    default: [],
  }),
  agents: defaulted(choice(agentAlertLevels), {
    description:
      "Of what agents tell that do not say so themselves: of any recovery, of escalations only, or only of what stays unresolved.",
    default: "unresolved",
  }),
  after: defaulted(afterMs, {
    description: "How long a failure of an agent lasts until it counts as unresolved.",
    default: "10m",
  }),
  routines: defaulted(events, {
    description: "Of which ends of a run routines tell that do not say so themselves.",
    default: ["failure", "anomaly"],
  }),
  quiet: optional(QuietSchema, {
    description: "A time of each day in which only what is serious is sent. Without it: none.",
    example: { from: "22:00", to: "07:00", timezone: "Europe/Berlin" },
  }),
  digest: defaulted(DigestSchema, { description: "How many messages become one.", default: {} }),
  giveUp: defaulted(duration("1m", "30d"), {
    description: "What could not be delivered for this long is given up.",
    default: "3d",
  }),
  deadMansSwitch: optional(SwitchSchema, {
    description: "A URL of a monitor elsewhere, which raises the alarm when nobody asks for it any more.",
    example: { credential: "/run/secrets/monitor-url", url: "https://hc-ping.com" },
  }),
}).annotate({ expected: "an object" });

/** `alerts` of an agent. */
export const AgentAlertsSchema = Schema.Struct({
  on: optional(choice(agentAlertLevels), {
    description: "Of what it tells. Without it: as the host says.",
    example: "recovery",
  }),
  after: optional(afterMs, {
    description: "How long a failure lasts until it counts as unresolved. Without it: as the host says.",
    example: "2m",
  }),
  to: optional(sinkNames, {
    description: "Sinks that are told. Without it: as the host says.",
  }),
}).annotate({ expected: "an object" });

/** `alerts` of a routine. */
export const RoutineAlertsSchema = Schema.Struct({
  on: optional(events, {
    description: "Of which ends of a run it tells. Without it: as the host says.",
    example: ["success", "failure", "anomaly"],
  }),
  to: optional(sinkNames, {
    description: "Sinks that are told. Without it: as the host says.",
  }),
}).annotate({ expected: "an object" });
