/*
 * What a self-test tries, and how its outcome is judged. Nothing here does any I/O: egressd makes the list and judges, and
 * the probe in an agent's sandbox tries.
 */

export const outcomes = ["open", "closed", "unclear"] as const;
/**
 * `open`: something answered. `closed`: it was refused, by the wall or for lack of a route. `unclear`: neither in time, which
 * cannot happen behind a wall that refuses at once, but is no proof of a way out either.
 */
export type Outcome = (typeof outcomes)[number];

/** One way that must not lead anywhere. */
export type Way = { readonly name: string } & (
  | { readonly by: "tcp" | "udp"; readonly address: string; readonly port: number }
  | { readonly by: "unix"; readonly path: string }
);

/** What the probe is told. */
export interface ProbeRequest {
  /** The agent's own port of egressd: the one way that has to be open. */
  readonly proxyPort: number;
  readonly ways: readonly Way[];
}

/** What the probe answers: how each way ended, in the order of the request. */
export interface ProbeResult {
  readonly proxy: Outcome;
  readonly ways: readonly Outcome[];
}

/** Ports on which egressd answers whoever comes, on 127.0.0.1 and ::1; null where this host has no such address. */
export interface EchoPorts {
  readonly v4: { readonly tcp: number; readonly udp: number } | null;
  readonly v6: { readonly tcp: number; readonly udp: number } | null;
}

export interface WaysOptions {
  readonly echo: EchoPorts;
  /** Addresses of the name servers of this host: the ones that would carry data out. */
  readonly nameServers: readonly string[];
  /** Ports of egressd that belong to other agents. */
  readonly otherPorts: readonly number[];
}

/** Documentation addresses (RFC 5737, RFC 3849): if the wall is broken, nobody is bothered. */
const outside = { v4: "192.0.2.1", v6: "2001:db8::1" };
/** Where clouds have their metadata services. */
const metadata = ["169.254.169.254", "fd00:ec2::254"];
/** What would resolve names or act for an agent, outside its sandbox. */
const services = ["/run/nscd/socket", "/run/dbus/system_bus_socket", "/nix/var/nix/daemon-socket/socket"];
const maxOthers = 3;

/**
 * The ways that must be closed. Those to egressd's own echo are certain to be answered if the wall has a hole for their
 * protocol; those to the outside show that there is none for their address or port.
 */
export function forbiddenWays({ echo, nameServers, otherPorts }: WaysOptions): readonly Way[] {
  const places = [
    { address: "127.0.0.1", ports: echo.v4, version: "IPv4" },
    { address: "::1", ports: echo.v6, version: "IPv6" },
  ];
  const loopback = places.flatMap(({ address, ports, version }): Way[] =>
    ports === null
      ? []
      : [
          { name: `TCP to a service of this host over ${version}`, by: "tcp", address, port: ports.tcp },
          { name: `UDP to a service of this host over ${version}`, by: "udp", address, port: ports.udp },
        ],
  );
  const resolvers = [...new Set([...nameServers, outside.v4, outside.v6])];
  const names = resolvers.flatMap((address): Way[] => [
    { name: "DNS over UDP", by: "udp", address, port: 53 },
    { name: "DNS over TCP", by: "tcp", address, port: 53 },
  ]);
  return [
    ...loopback,
    { name: "an IPv4 address", by: "tcp", address: outside.v4, port: 443 },
    { name: "an IPv6 address", by: "tcp", address: outside.v6, port: 443 },
    ...names,
    ...metadata.map((address): Way => ({ name: "the metadata service", by: "tcp", address, port: 80 })),
    ...otherPorts
      .slice(0, maxOthers)
      .map((port): Way => ({ name: "another agent's proxy", by: "tcp", address: "127.0.0.1", port })),
    ...services.map((path): Way => ({ name: "a service beside the network", by: "unix", path })),
  ];
}

/** `passed`: proven. `open`: there is a way out. `unclear`: neither is. */
export type Verdict = "passed" | "open" | "unclear";

export interface Judgement {
  readonly verdict: Verdict;
  /** What is not as it has to be, one sentence each. */
  readonly problems: readonly string[];
}

/** @param result as it came from the probe, which is not believed to have answered sensibly */
export function judge(request: ProbeRequest, result: unknown): Judgement {
  if (!isResult(result) || result.ways.length !== request.ways.length)
    return { verdict: "unclear", problems: ["the probe gave no answer that makes sense"] };
  const ended = (outcome: Outcome) =>
    request.ways.filter((_, index) => result.ways[index] === outcome).map(describeWay);
  const open = ended("open");
  const problems = [
    ...open.map((way) => `open: ${way}`),
    ...ended("unclear").map((way) => `neither answered nor refused: ${way}`),
    ...(result.proxy === "open" ? [] : [`its own port of egressd, ${request.proxyPort}, does not answer`]),
  ];
  const isPassed = problems.length === 0 && request.ways.length > 0;
  return { verdict: open.length > 0 ? "open" : isPassed ? "passed" : "unclear", problems };
}

function describeWay(way: Way): string {
  if (way.by === "unix") return `${way.name} (${way.path})`;
  const place = way.address.includes(":") ? `[${way.address}]:${way.port}` : `${way.address}:${way.port}`;
  return `${way.name} (${place})`;
}

function isResult(value: unknown): value is ProbeResult {
  const { proxy, ways } = Object(value);
  const isOutcome = (each: unknown) => outcomes.some((outcome) => outcome === each);
  return isOutcome(proxy) && Array.isArray(ways) && ways.every(isOutcome);
}
