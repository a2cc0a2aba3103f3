import { Schema } from "effect";
import { choice, duration, text, wholeNumber } from "./codecs.ts";
import { healthUrlPattern, healthUrlProblem } from "./health-url.ts";
import { defaulted, optional, required } from "./option.ts";
import { heartbeatPaths } from "./words.ts";

/* How an agent is watched beside its exit and its health check. */

const JsonScalarSchema = Schema.Union([Schema.String, Schema.Finite, Schema.Boolean, Schema.Null]).annotate({
  expected: "a string, a number, true, false or null",
});

function notEmpty(value: string): string | undefined {
  return value === "" ? "must not be empty: every body contains that" : undefined;
}

/** How an agent's health is probed. */
export const HealthSchema = Schema.Struct({
  http: required(text("an http or https URL", healthUrlProblem, { pattern: healthUrlPattern }), {
    description: "URL that answers while the agent is healthy.",
    example: "http://127.0.0.1:8080/health",
  }),
  every: defaulted(duration("10ms", "1h"), {
    description: "Time between the starts of two probes.",
    default: "3s",
  }),
  failures: defaulted(wholeNumber(1, 1000), {
    description:
      "Consecutive failing probes that make a healthy agent unhealthy. Half of the last 20 do so as well, or of the last `2 × failures` where that is more.",
    default: 3,
  }),
  expect: defaulted(
    Schema.Struct({
      status: defaulted(wholeNumber(100, 599), {
        description: "HTTP status of a healthy answer.",
        default: 200,
      }),
      within: defaulted(duration("1ms", "10m"), {
        description: "Time in which the whole answer has to be there.",
        default: "1s",
      }),
      contains: optional(text("a string that is not empty", notEmpty, { pattern: ".+" }), {
        description: "Text that is in the body of a healthy answer.",
        example: "ready",
      }),
      json: defaulted(
        Schema.Record(Schema.String, JsonScalarSchema).annotate({ expected: "an object of JSON values" }),
        {
          description:
            "What is in the body of a healthy answer, which then is JSON: JSON Pointer (RFC 6901) -> the value there.",
          default: {},
          example: { "/status": "ok", "/queue/stuck": false },
        },
      ),
    }).annotate({ expected: "an object" }),
    { description: "What a healthy answer looks like.", default: {} },
  ),
}).annotate({ expected: "an object with the key http" });

/** By what an agent shows that it gets on with its work. */
export const HeartbeatSchema = Schema.Struct({
  through: required(choice(heartbeatPaths), {
    description:
      "How the agent tells: `http`, any request through its own socket (POST /v1/heartbeat says nothing else), or `notify`, WATCHDOG=1 of sd_notify(3) to systemd.",
    example: "http",
  }),
  every: defaulted(duration("10ms", "1h"), {
    description: "How often the agent is to tell. POST /v1/heartbeat answers with it.",
    default: "5s",
  }),
  silence: defaulted(duration("100ms", "1d"), {
    description: "After this long without a word the agent hangs, and is restarted.",
    default: "15s",
  }),
}).annotate({ expected: "an object with the key through" });
