import { createSocket } from "node:dgram";
import { connect } from "node:net";
import { systemCode } from "@daruma/base";
import { echoAuthority } from "./echo.ts";
import type { Outcome, ProbeRequest, ProbeResult, Way } from "./ways.ts";

/**
 * What the kernel says when it lets nothing through (the wall: a reset, EPERM, or ICMP "prohibited") or has no such route,
 * family or socket. Anything else, such as having no descriptors left, says nothing about the way.
 */
const closedCodes: ReadonlySet<string | undefined> = new Set([
  "EACCES",
  "EADDRNOTAVAIL",
  "EAFNOSUPPORT",
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOENT",
  "EPERM",
]);

/** A question that any name server answers, if only with a refusal: A of daruma.invalid (RFC 1035 4.1). */
const question = Buffer.from(
  "da70 0100 0001 0000 0000 0000 06 646172756d61 07 696e76616c6964 00 0001 0001".replaceAll(" ", ""),
  "hex",
);

/** Tries all ways at once. @param withinMs after which one is unclear */
export async function probe(request: ProbeRequest, withinMs: number): Promise<ProbeResult> {
  const [proxy, ways] = await Promise.all([
    askProxy(request.proxyPort, withinMs),
    Promise.all(request.ways.map((way) => attempt(way, withinMs))),
  ]);
  return { proxy, ways };
}

function attempt(way: Way, withinMs: number): Promise<Outcome> {
  if (way.by === "udp") return askDatagram(way.address, way.port, withinMs);
  return settled(withinMs, (settle) => {
    const socket = connect(
      way.by === "unix" ? { path: way.path } : { host: way.address, port: way.port },
      () => settle("open"),
    );
    socket.on("error", (error) => settle(outcomeOf(error)));
    return () => socket.destroy();
  });
}

function askDatagram(address: string, port: number, withinMs: number): Promise<Outcome> {
  return settled(withinMs, (settle) => {
    const socket = createSocket(address.includes(":") ? "udp6" : "udp4");
    socket.on("message", () => settle("open"));
    socket.on("error", (error) => settle(outcomeOf(error)));
    // Connected, so that the kernel tells of what was refused. Not with a callback, which would take the errors.
    socket.connect(port, address);
    socket.once("connect", () => {
      socket.send(question, (error) => {
        if (error !== null) settle(outcomeOf(error));
      });
    });
    return () => socket.close();
  });
}

/** Open only if what was sent through egressd came back. */
function askProxy(port: number, withinMs: number): Promise<Outcome> {
  const word = crypto.randomUUID();
  return settled(withinMs, (settle) => {
    let text = "";
    const socket = connect({ host: "127.0.0.1", port });
    socket.setEncoding("latin1");
    socket.write(`CONNECT ${echoAuthority} HTTP/1.1\r\nHost: ${echoAuthority}\r\n\r\n${word}`);
    socket.on("data", (chunk: string) => {
      text += chunk;
      if (/^HTTP\/1\.1 200 /.test(text) && text.endsWith(`\r\n\r\n${word}`)) settle("open");
    });
    socket.on("end", () => settle("closed"));
    socket.on("error", (error) => settle(outcomeOf(error)));
    return () => socket.destroy();
  });
}

function outcomeOf(error: unknown): Outcome {
  return closedCodes.has(systemCode(error)) ? "closed" : "unclear";
}

function settled(
  withinMs: number,
  begin: (settle: (outcome: Outcome) => void) => () => void,
): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const timer = setTimeout(() => resolve("unclear"), withinMs);
  const end = begin(resolve);
  return promise.finally(() => {
    clearTimeout(timer);
    end();
  });
}
