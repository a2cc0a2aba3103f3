import { agentctlErrors } from "../catalogue.ts";
import type { Format } from "./format.ts";

/** Where entries are streamed to. */
export type Destination =
  | { readonly kind: "stdout" }
  | { readonly kind: "socket"; readonly tls: boolean; readonly host: string; readonly port: number }
  | { readonly kind: "http"; readonly url: string };

/**
 * Reads `--to`, and whether it takes the format.
 *
 * @throws CLI_E_USAGE
 */
export function parseDestination(to: string, format: Format): Destination {
  if (to === "-") return { kind: "stdout" };
  const url = URL.parse(to);
  switch (url?.protocol) {
    case "tcp:":
    case "tls:": {
      const port = Number(url.port);
      const plain = [url.username, url.password, url.search, url.hash].every((part) => part === "");
      if (url.hostname === "" || !(port > 0) || !plain || !["", "/"].includes(url.pathname)) {
        throw usage(`--to ${to}: it must be ${url.protocol}//HOST:PORT`);
      }
      if (format === "otlp") throw usage("--format otlp goes over http or https, or to -");
      const host = url.hostname.replace(/^\[(.*)\]$/, "$1");
      return { kind: "socket", tls: url.protocol === "tls:", host, port };
    }
    case "http:":
    case "https:":
      if (format === "syslog") throw usage("--format syslog goes over tcp or tls, or to -");
      if (url.username !== "" || url.password !== "") {
        throw usage(
          "--to: a secret in a URL can be read by everybody; OTEL_EXPORTER_OTLP_HEADERS is for that",
        );
      }
      return { kind: "http", url: url.href };
    default:
      throw usage(`--to ${to}: it must be -, tcp://HOST:PORT, tls://HOST:PORT or http(s)://…`);
  }
}

function usage(message: string): Error {
  return agentctlErrors.make("CLI_E_USAGE", message);
}
