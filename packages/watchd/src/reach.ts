import { get as getHttp } from "node:http";
import { get as getHttps } from "node:https";
import { connect } from "node:net";
import { messageOf, systemCode } from "@daruma/base";

/**
 * Whether something answers at a tcp, http or https URL within `withinMs`: for tcp a connection is enough, over HTTP any answer but one
 * that says that the server itself is at fault (5xx). Never rejects: why it is not reached, or null if it is.
 */
export function reach(url: string, withinMs: number): Promise<string | null> {
  return new Promise((resolve) => {
    const found = (problem: string | null) => {
      clearTimeout(timer);
      resolve(problem);
      attempt.end();
    };
    const timer = setTimeout(() => found(`no answer within ${withinMs} ms`), withinMs);
    const attempt = url.startsWith("tcp://") ? open(url, found) : ask(url, found);
  });
}

interface Attempt {
  end(): void;
}

type Found = (problem: string | null) => void;

function open(url: string, found: Found): Attempt {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname.replace(/^\[|\]$/g, ""), port: Number(port) });
  socket.once("connect", () => found(null));
  socket.on("error", (error) => found(inWords(error)));
  return { end: () => socket.destroy() };
}

function ask(url: string, found: Found): Attempt {
  const request = (url.toLowerCase().startsWith("https:") ? getHttps : getHttp)(url, { agent: false });
  request.once("response", (response) => {
    const status = response.statusCode ?? 0;
    response.on("error", () => undefined);
    found(status < 500 ? null : `it answers ${status}`);
  });
  request.on("error", (error) => found(inWords(error)));
  return { end: () => request.destroy() };
}

function inWords(error: unknown): string {
  return systemCode(error) === "ECONNREFUSED" ? "connection refused" : messageOf(error);
}
