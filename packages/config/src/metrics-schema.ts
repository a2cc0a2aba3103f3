import { isIP } from "node:net";
import { Schema } from "effect";
import { text, wholeNumber } from "./codecs.ts";
import { defaulted, optional } from "./option.ts";

const address = text(
  "an IP address",
  (value) => (isIP(value) === 0 ? 'must be an IP address, such as "127.0.0.1"' : undefined),
  { pattern: "[0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*" },
);

/** `metrics` of a host. */
export const MetricsSchema = Schema.Struct({
  port: optional(wholeNumber(1, 65_535), {
    description: "TCP port that Prometheus reads. Without it: the socket alone.",
    example: 9464,
  }),
  address: defaulted(address, {
    description:
      "Address on which the port is listened on. Whoever reaches it reads the names and numbers of all agents.",
    default: "127.0.0.1",
    example: "10.0.0.7",
  }),
}).annotate({ expected: "an object" });

/** How the metrics of a host can be read. */
export interface HostMetrics {
  /** Null for no port. */
  readonly port: number | null;
  readonly address: string;
}
