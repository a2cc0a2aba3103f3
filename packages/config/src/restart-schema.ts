import { Schema } from "effect";
import { choice, duration, realNumber, wholeNumber } from "./codecs.ts";
import { defaulted } from "./option.ts";
import { backoffKinds, exitMeanings, restartConditions } from "./words.ts";

/** How the time between one try and the next grows. */
export const BackoffSchema = Schema.Struct({
  kind: defaulted(choice(backoffKinds), {
    description:
      "How the delay grows: not at all (`immediate`: there is none; `fixed`: it is always `initial`), by `initial` each time (`linear`), or by `factor` (`exponential`).",
    default: "exponential",
  }),
  initial: defaulted(duration("0ms", "1h"), {
    description: "Delay before the first restart.",
    default: "100ms",
  }),
  factor: defaulted(realNumber(1, 100), {
    description: "By how much the delay grows from one restart to the next.",
    default: 2,
  }),
  max: defaulted(duration("1ms", "1d"), {
    description: "The delay never grows beyond this.",
    default: "30s",
  }),
  jitter: defaulted(realNumber(0, 1), {
    description: "Share of the delay, 0 to 1, by which it varies at random either way.",
    default: 0.2,
  }),
}).annotate({ expected: "an object" });

/** When and how fast an agent is started again. */
export const RestartSchema = Schema.Struct({
  when: defaulted(choice(restartConditions), {
    description: "Which ends of the agent lead to a restart.",
    default: "on-failure",
  }),
  exits: defaulted(
    Schema.Record(Schema.String, choice(exitMeanings)).annotate({
      expected: "an object of exit codes and signals",
    }),
    {
      description:
        "What it means if the agent ends with this exit code or signal: `success`, `failure`, `temporary` (the fault is outside) or `configuration` (to start it again would change nothing). By itself, 0 is a success (where there is a health check or a heartbeat: of a run that has been healthy), 75 temporary, 78 a configuration, and all else a failure.",
      default: {},
      example: { "3": "temporary", SIGUSR1: "success" },
    },
  ),
  backoff: defaulted(BackoffSchema, { description: "Delays between restarts.", default: {} }),
  attempts: defaulted(wholeNumber(1, 1000), {
    description: "Failures within the window `within` after which restarting is not enough.",
    default: 3,
  }),
  within: defaulted(duration("1ms", "7d"), {
    description: "The window in which `attempts` failures are counted.",
    default: "10m",
  }),
}).annotate({ expected: "an object" });
