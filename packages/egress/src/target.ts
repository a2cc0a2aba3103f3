import { type EgressHost, parseHost, splitAuthority } from "@daruma/config";

/** What a client wants to reach, in normal form. */
export interface Target {
  readonly host: EgressHost;
  readonly port: number;
}

export type ParsedTarget =
  | { readonly ok: true; readonly target: Target }
  /** `problem` ends the sentence "the target …". */
  | { readonly ok: false; readonly problem: string };

/** Ports that a scheme stands for where a URL names none. */
const schemePorts: Readonly<Record<string, number>> = {
  "http:": 80,
  "https:": 443,
  "ws:": 80,
  "wss:": 443,
  "ftp:": 21,
  "ssh:": 22,
  "git:": 9418,
  "postgres:": 5432,
  "postgresql:": 5432,
  "mysql:": 3306,
  "redis:": 6379,
  "rediss:": 6379,
  "amqp:": 5672,
  "amqps:": 5671,
  "mongodb:": 27017,
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const unwanted = /[\s\u0000-\u001f\u007f\\]/u;

/**
 * Reads a target as a client could send it: `host:port` (the authority of CONNECT, RFC 9110 9.3.6) or a URL. The host is
 * what is behind the last `@` of the authority; a user or password before it changes nothing.
 */
export function parseTarget(text: string): ParsedTarget {
  // A backslash is a slash to browsers and a letter to others; a URL parser drops tabs and line ends without a word.
  if (unwanted.test(text)) return bad("contains spaces, control characters or a backslash");
  const [, scheme, rest = ""] = /^([a-z][a-z0-9+.-]*:)\/\/(.*)$/is.exec(text) ?? [];
  if (scheme === undefined) return parseAuthority(text, undefined);
  const [authority = ""] = rest.split(/[/?#]/, 1);
  return parseAuthority(authority, schemePorts[scheme.toLowerCase()]);
}

/** Target of a host and a port that came apart, as in SOCKS. */
export function targetOf(host: string, port: number): ParsedTarget {
  const parsed = parseHost(host);
  if (!parsed.ok) return bad(`is not valid: ${parsed.problem}`);
  if (!Number.isInteger(port) || port < 1 || port > 65535) return bad("is not valid: a port is 1 to 65535");
  return { ok: true, target: { host: parsed.value, port } };
}

/** `api.example.com:443`, `[::1]:443`. */
export function formatTarget({ host, port }: Target): string {
  const name = host.kind === "name" ? host.name : host.address;
  return name.includes(":") ? `[${name}]:${port}` : `${name}:${port}`;
}

function parseAuthority(authority: string, standard: number | undefined): ParsedTarget {
  const withoutUser = authority.slice(authority.lastIndexOf("@") + 1);
  // RFC 3986 3.2.3: an empty port is the scheme's own.
  const trimmed = standard === undefined ? withoutUser : withoutUser.replace(/:$/, "");
  const split = splitAuthority(trimmed);
  if (!split.ok) return bad(`is not valid: ${split.problem}`);
  const port = split.value.port ?? standard;
  if (port === undefined) return bad("names no port");
  return targetOf(split.value.host, port);
}

function bad(problem: string): ParsedTarget {
  return { ok: false, problem };
}
