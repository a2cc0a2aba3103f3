import { connect } from "node:net";
import { type DarumaError, messageOf, systemCode } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";

export interface Target {
  readonly host: string;
  readonly port: number;
}

/** On loopback only a listener whose queue is full leaves a connection waiting. */
const patienceMs = 500;

/** Errors that mean that nobody is there: refused, or no such address on this machine (no IPv6). */
const free = new Set(["ECONNREFUSED", "EADDRNOTAVAIL", "EAFNOSUPPORT", "ENETUNREACH", "EHOSTUNREACH"]);

/**
 * Looks, before an agent starts, whether somebody else serves the port of its health check: the probe would prove the
 * stranger's health. `null` when nobody does; never rejects.
 */
export async function checkPort(agent: string, healthUrl: string): Promise<DarumaError | null> {
  for (const target of loopbackTargets(healthUrl)) {
    try {
      if (!(await accepts(target))) continue;
    } catch (cause) {
      return watchdErrors.make(
        "AGENT_E_START_FAILED",
        `agent ${agent}: cannot tell whether port ${target.port} is free: ${messageOf(cause)}`,
        { where: healthUrl, cause },
      );
    }
    return watchdErrors.make(
      "AGENT_E_PORT_IN_USE",
      `agent ${agent}: another process already accepts connections on port ${target.port} of ${target.host}`,
      { where: healthUrl },
    );
  }
  return null;
}

/** The addresses of this machine that a health URL means; none for a URL that leads elsewhere. */
export function loopbackTargets(url: string): readonly Target[] {
  if (!URL.canParse(url)) return [];
  const { hostname, port, protocol } = new URL(url);
  const number = port === "" ? (protocol === "https:" ? 443 : 80) : Number(port);
  return loopbackHosts(hostname).map((host) => ({ host, port: number }));
}

/** `hostname` as the URL parser leaves it: `127.1` is `127.0.0.1` by then, and IPv6 is shortened and in brackets. */
function loopbackHosts(hostname: string): readonly string[] {
  if (/^127\.\d+\.\d+\.\d+$/.test(hostname)) return [hostname];
  if (hostname === "localhost" || hostname.endsWith(".localhost")) return ["127.0.0.1", "::1"];
  if (hostname === "[::1]") return ["::1"];
  // Connecting to the unspecified address reaches the machine itself (ip(7), ipv6(7)).
  if (hostname === "0.0.0.0") return ["127.0.0.1"];
  if (hostname === "[::]") return ["::1"];
  const mapped = /^\[::ffff:(7f[0-9a-f]{2}):([0-9a-f]{1,4})\]$/.exec(hostname);
  if (mapped === null) return [];
  const bytes = `${mapped[1]}${(mapped[2] ?? "").padStart(4, "0")}`.match(/../g) ?? [];
  return [bytes.map((byte) => Number.parseInt(byte, 16)).join(".")];
}

function accepts({ host, port }: Target): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const timer = setTimeout(() => settle(true), patienceMs);
    const settle = (answer: boolean) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    socket.once("connect", () => {
      // TCP lets a socket connect to itself when the kernel happens to give it the very port it calls (RFC 9293, 3.5).
      settle(!(socket.localPort === port && socket.localAddress === socket.remoteAddress));
    });
    socket.once("error", (error) => {
      const code = systemCode(error) ?? "";
      if (free.has(code)) settle(false);
      else if (code === "ECONNRESET") settle(true);
      else {
        clearTimeout(timer);
        reject(error);
      }
    });
  });
}
