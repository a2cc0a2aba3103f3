import { Schema } from "effect";
import { duration, realNumber, size, text, wholeNumber } from "./codecs.ts";
import { dependencyUrlPattern, dependencyUrlProblem } from "./health-url.ts";
import { defaulted, optional, required } from "./option.ts";

/* What an agent may use, how it shows that its work gets on, and what it needs of others. */

const LeakSchema = Schema.Struct({
  growth: required(size("1KiB", "1024TiB"), {
    description: "Growth within `within` that is a leak.",
    example: "64MiB",
  }),
  // In a shorter one there are fewer samples than a judgement needs: one is taken every quarter of a second at most.
  within: defaulted(duration("10s", "7d"), {
    description:
      "The window over which growth is measured: by the median of the slopes between all its points, so that neither a single peak nor a single step counts.",
    default: "30m",
  }),
}).annotate({ expected: "an object with the key growth" });

/** What an agent may use before it is restarted, at a moment that suits it. */
export const ResourcesSchema = Schema.Struct({
  memory: optional(size("1MiB", "1024TiB"), {
    description:
      "Memory of all processes of the agent together. Less than `limits.memory`, which is enforced at once.",
    example: "384MiB",
  }),
  leak: optional(LeakSchema, {
    description: "Growth of memory that does not end.",
    example: { growth: "64MiB", within: "30m" },
  }),
  cpu: optional(realNumber(0.001, 4096), {
    description: "Processors in use: 1 is one of them all the time.",
    example: 1.5,
  }),
  openFiles: optional(wholeNumber(1, 1_000_000_000), {
    description: "Open file descriptors of all processes of the agent together.",
    example: 4096,
  }),
  tasks: optional(wholeNumber(1, 1_000_000_000), {
    description: "Processes and threads.",
    example: 512,
  }),
  io: optional(size("1B", "1024TiB"), {
    description: "What is read from and written to disks, in a second.",
    example: "64MiB",
  }),
  latency: optional(duration("1ms", "10m"), {
    description: "Time that a passing health check takes. Less than `health.expect.within`.",
    example: "400ms",
  }),
  sustained: defaulted(duration("1s", "1d"), {
    description:
      "How long more than that has to be in use without a break. Not for `leak`, which has a window of its own.",
    default: "1m",
  }),
  restartWithin: defaulted(duration("0ms", "7d"), {
    description: "How long the restart waits for a moment that the agent calls idle (POST /v1/idle).",
    default: "10m",
  }),
}).annotate({ expected: "an object" });

/** By what it shows that its work gets on. */
export const ProgressSchema = Schema.Struct({
  within: required(duration("100ms", "7d"), {
    description:
      "The counter that the agent tells (POST /v1/progress) has to rise within this time, in which it does not call itself idle; otherwise the agent hangs, and is restarted.",
    example: "10m",
  }),
}).annotate({ expected: "an object with the key within" });

/** What it needs of others. */
export const DependenciesSchema = Schema.Record(
  Schema.String,
  text("a tcp, http or https URL", dependencyUrlProblem, { pattern: dependencyUrlPattern }),
).annotate({ expected: "an object of URLs" });
