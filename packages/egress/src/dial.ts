import { connect, isIPv6, type LookupFunction, type Socket } from "node:net";
import { systemCode } from "@daruma/base";

export interface DialOptions {
  /** Addresses that were judged. No other is ever connected to. */
  readonly addresses: readonly string[];
  readonly port: number;
  readonly timeoutMs: number;
}

/** Why a connection did not come about. */
export class DialFailure extends Error {
  readonly code: "refused" | "unreachable" | "connect-timeout" | "reset";

  constructor(code: DialFailure["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Connects to the first of the addresses that answers, IPv6 and IPv4 in turn (RFC 8305, as Node does it). The name is
 * looked up no second time: Node asks the function given here, which knows nothing but the addresses that were judged.
 *
 * @throws DialFailure
 */
export function dial({ addresses, port, timeoutMs }: DialOptions): Promise<Socket> {
  const [only, ...others] = addresses;
  if (only === undefined) throw new Error("there is no address to connect to");
  const records = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  const lookup: LookupFunction = (_name, options, callback) => {
    if (options.all === true) callback(null, records);
    else callback(null, only, isIPv6(only) ? 6 : 4);
  };
  const socket =
    others.length === 0
      ? connect({ host: only, port, allowHalfOpen: true, noDelay: true })
      : connect({
          host: "judged.invalid",
          port,
          lookup,
          autoSelectFamily: true,
          allowHalfOpen: true,
          noDelay: true,
        });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new DialFailure("connect-timeout", `no answer within ${timeoutMs} ms`));
    }, timeoutMs);
    socket.once("connect", () => {
      clearTimeout(timer);
      socket.removeAllListeners("error");
      // Whoever takes the socket over listens for itself; an error in between must not be unheard.
      socket.on("error", () => undefined);
      resolve(socket);
    });
    socket.once("error", (error) => {
      clearTimeout(timer);
      socket.destroy();
      reject(failureOf(error));
    });
  });
}

function failureOf(error: Error): DialFailure {
  // With several addresses, the error of each is in an AggregateError; the last says as much as any.
  const last = error instanceof AggregateError ? error.errors.at(-1) : error;
  const code = systemCode(last) ?? systemCode(error) ?? "unknown";
  if (code === "ECONNREFUSED") return new DialFailure("refused", "the connection was refused");
  if (code === "ETIMEDOUT") return new DialFailure("connect-timeout", "no answer");
  if (code === "ECONNRESET" || code === "EPIPE") return new DialFailure("reset", "the connection was cut");
  return new DialFailure("unreachable", `it cannot be reached: ${code}`);
}
