import { Schema } from "effect";
import { absolutePathProblem, choice, duration, text, wholeNumber } from "./codecs.ts";
import { defaulted } from "./option.ts";
import { driftPolicies } from "./words.ts";

/** What is done about a machine that is no longer what its generation says. */
export const DriftSchema = Schema.Struct({
  policy: defaulted(choice(driftPolicies), {
    description: "Whether a difference is only recorded, or put right as well.",
    default: "report",
  }),
  every: defaulted(duration("100ms", "1d"), {
    description: "Time between two looks. What the kernel tells of changed files is looked at sooner.",
    default: "1m",
  }),
  storeEvery: defaulted(duration("1s", "365d"), {
    description: "Time in which every store path in use is hashed once, a few at each look.",
    default: "7d",
  }),
  attempts: defaulted(wholeNumber(1, 100), {
    description:
      "How often the same difference is put right within the window `within`; then it is left, with an alert.",
    default: 3,
  }),
  within: defaulted(duration("1s", "30d"), {
    description: "The window in which `attempts` corrections are counted.",
    default: "1d",
  }),
  ignore: defaulted(
    Schema.Array(text("an absolute path", absolutePathProblem)).annotate({ expected: "a list of paths" }),
    {
      description: "Files that are yours: what is at these paths, or below them, is left alone.",
      default: [],
      example: ["/etc/resolv.conf", "/run/systemd/system/nginx.service.d"],
    },
  ),
}).annotate({ expected: "an object" });
