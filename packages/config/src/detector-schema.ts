import { Schema } from "effect";
import { choice, duration } from "./codecs.ts";
import { defaulted, required } from "./option.ts";
import { heartbeatPaths } from "./words.ts";

/* How an agent is watched beside its exit and its health check. */

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
