import { isIPv6 } from "node:net";
import type { Parsed } from "../measures.ts";
import { parseHost, splitAuthority } from "./host.ts";
import { type EgressProtocol, type EgressRule, egressProtocols } from "./rule.ts";

/** An entry as a fleet file has it. */
export type EgressEntry =
  | string
  | {
      readonly host: string;
      readonly port?: number;
      readonly protocol?: EgressProtocol;
      readonly private?: boolean;
      readonly forward?: number;
    }
  | { readonly cidr: string; readonly port?: number };

/** What an entry is for. An allowance names its port and is not too broad; a denial may be as broad as it likes. */
export type EntryUse = "allow" | "deny";

/** The shortest prefix that can be allowed; what is broader is a list of everything. fc00::/7 is nobody's internet. */
function shortestPrefix(address: string): number {
  if (!isIPv6(address)) return 8;
  return addressBits(address).startsWith("1111110") ? 7 : 16;
}

/** What is wrong with an entry that is a text, or undefined. */
export function entryTextProblem(text: string, use: EntryUse): string | undefined {
  const parsed = splitAuthority(text);
  if (!parsed.ok) return parsed.problem;
  if (use === "allow" && parsed.value.port === null) {
    return 'must name a port, as in "api.example.com:443"';
  }
  return hostPatternProblem(parsed.value.host, use);
}

/** What is wrong with the host of an entry, or undefined. */
export function hostPatternProblem(pattern: string, use: EntryUse): string | undefined {
  const isWild = pattern.startsWith("*.");
  const host = isWild ? pattern.slice(2) : pattern;
  if (host.includes("*")) return 'a "*" can only stand for all that is below a name: "*.example.com"';
  const parsed = parseHost(host);
  if (!parsed.ok) return parsed.problem;
  if (!isWild) return undefined;
  if (parsed.value.kind === "address") return "nothing is below an address; name its network with cidr";
  if (use === "allow" && !parsed.value.name.includes(".")) {
    return `is too broad: it allows every name that ends in .${parsed.value.name}`;
  }
  return undefined;
}

/** What is wrong with a network, or undefined. */
export function cidrProblem(text: string, use: EntryUse): string | undefined {
  const parsed = parseCidr(text);
  if (!parsed.ok) return parsed.problem;
  const { address, prefix } = parsed.value;
  const least = shortestPrefix(address);
  if (use === "deny" || prefix >= least) return undefined;
  return `is too broad: at most /${least} can be allowed`;
}

const keysOf = { host: ["host", "port", "protocol", "private", "forward"], cidr: ["cidr", "port"] } as const;

/**
 * The sentence for an entry that is an object and fits neither form of one, or undefined. An entry holds no secrets, so
 * it may say what is wrong rather than only what would be right.
 */
export function entryObjectProblem(entry: unknown, use: EntryUse): string | undefined {
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return undefined;
  const { host, cidr, port, protocol } = entry as Readonly<Record<string, unknown>>;
  if (typeof host !== "string" && typeof cidr !== "string") return undefined;
  const known: readonly string[] = typeof host === "string" ? keysOf.host : keysOf.cidr;
  const odd = Object.keys(entry).find((key) => !known.includes(key));
  if (odd !== undefined) return `has an option ${JSON.stringify(odd)}; known here: ${known.join(", ")}`;
  const subject = typeof host === "string" ? hostPatternProblem(host, use) : cidrProblem(String(cidr), use);
  if (subject !== undefined) return `${typeof host === "string" ? "host" : "cidr"}: ${subject}`;
  if (port === undefined && use === "allow") return "port is required";
  if (port !== undefined && !isPort(port)) return "port must be a whole number from 1 to 65535";
  if (protocol === undefined || egressProtocols.some((each) => each === protocol)) return undefined;
  return `protocol must be one of ${egressProtocols.join(", ")}`;
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && Number(value) >= 1 && Number(value) <= 65535;
}

/** A valid entry as a rule: normalised, with its defaults. */
export function ruleOf(entry: EgressEntry): EgressRule {
  if (typeof entry === "string") {
    const { host, port } = must(splitAuthority(entry));
    return hostRule({ host, ...(port === null ? {} : { port }) });
  }
  if ("host" in entry) return hostRule(entry);
  const { address, prefix } = must(parseCidr(entry.cidr));
  return { cidr: `${address}/${prefix}`, port: entry.port ?? null };
}

type HostEntry = Exclude<EgressEntry, string | { readonly cidr: string }>;

function hostRule({ host, port, protocol, private: isPrivate, forward }: HostEntry): EgressRule {
  const isWild = host.startsWith("*.");
  const parsed = must(parseHost(isWild ? host.slice(2) : host));
  const rest = {
    port: port ?? null,
    protocol: protocol ?? (port === 443 ? "tls" : "tcp"),
    private: isPrivate ?? false,
    forward: forward ?? null,
  } as const;
  if (parsed.kind === "name") return { host: isWild ? `*.${parsed.name}` : parsed.name, ...rest };
  // A forward leads to a host, whatever it is called; without one, an address is a network of one.
  if (rest.forward !== null) return { host: parsed.address, ...rest, private: true };
  return { cidr: `${parsed.address}/${isIPv6(parsed.address) ? 128 : 32}`, port: rest.port };
}

interface Cidr {
  readonly address: string;
  readonly prefix: number;
}

/** Reads `10.0.0.0/8`. Bits beyond the prefix are refused: they say that something else was meant. */
export function parseCidr(text: string): Parsed<Cidr> {
  const [, host = "", length = ""] = /^([^/]+)\/(\d{1,3})$/.exec(text) ?? [];
  const parsed = parseHost(host);
  if (!parsed.ok || parsed.value.kind !== "address") {
    return { ok: false, problem: "must be a network such as 10.0.0.0/8 or fd00::/8" };
  }
  const { address } = parsed.value;
  const prefix = Number(length);
  const bits = addressBits(address);
  if (prefix > bits.length) return { ok: false, problem: `the prefix is at most /${bits.length}` };
  if (bits.slice(prefix).includes("1")) {
    return { ok: false, problem: `has bits beyond its prefix of /${prefix}` };
  }
  return { ok: true, value: { address, prefix } };
}

/** The 32 or 128 bits of an address, as a text of 0 and 1. IPv6 also with its last 32 bits as an IPv4 address. */
export function addressBits(address: string): string {
  if (!isIPv6(address)) return ipv4Bits(address);
  const [head = "", tail] = address.split("::");
  const left = head.split(":").map(groupBits).join("");
  const right = (tail ?? "").split(":").map(groupBits).join("");
  return left + "0".repeat(128 - left.length - right.length) + right;
}

function groupBits(group: string): string {
  if (group === "") return "";
  return group.includes(".") ? ipv4Bits(group) : bitsOf(Number.parseInt(group, 16), 16);
}

function ipv4Bits(address: string): string {
  return address
    .split(".")
    .map((part) => bitsOf(Number(part), 8))
    .join("");
}

function bitsOf(value: number, width: number): string {
  return value.toString(2).padStart(width, "0");
}

function must<T>(parsed: Parsed<T>): T {
  if (!parsed.ok) throw new Error(`an entry that was checked is not valid: ${parsed.problem}`);
  return parsed.value;
}
