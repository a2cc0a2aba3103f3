import type { Parsed } from "../measures.ts";

/** What a client or a fleet file means by a host: a DNS name, or an address that it has spelled somehow. */
export type Host =
  | {
      readonly kind: "name";
      /** Lower case, in its ASCII form (IDNA, UTS #46), without a final dot. */
      readonly name: string;
    }
  | {
      readonly kind: "address";
      /** IPv4 as four decimal numbers, IPv6 as in RFC 5952; one that only wraps an IPv4 address is that IPv4 address. */
      readonly address: string;
    };

/** Delimiters of a URL, spaces and control characters: where two programs would disagree on where a host ends. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const ambiguous = /[\s\u0000-\u001f\u007f/\\?#@]/u;

/**
 * Reads a host in any spelling, as the WHATWG URL standard does (4.5, "host parsing"): percent-encoding, IDNA, and the
 * decimal, octal, hexadecimal and short forms of IPv4 that inet_aton(3) takes. Fleet files and requests go through this one
 * function, so a name means the same in both; and what is dialled later is what came out of it, never what was sent.
 *
 * @param text an IPv6 address with or without its brackets; no port
 */
export function parseHost(text: string): Parsed<Host> {
  if (text === "") return bad("the host is missing");
  if (ambiguous.test(text))
    return bad("a host cannot contain spaces, control characters or any of / \\ ? # @");
  const isBare = text.includes(":") && !text.startsWith("[");
  const literal = isBare ? `[${text}]` : text;
  // RFC 6874: a zone means something on one machine only, and it is not the machine that connects.
  if (literal.startsWith("[") && literal.includes("%")) return bad("an address cannot have a zone id");
  if (!literal.startsWith("[") && literal.includes("]")) return bad("a host cannot contain a bracket");
  const parsed = URL.parse(`http://${literal}/`);
  // A port would be read as one: the brackets of an IPv6 address are the only place for a colon.
  if (parsed === null || parsed.port !== "" || /\]:/.test(literal))
    return bad("is no host name and no address");
  const { hostname } = parsed;
  if (hostname.startsWith("[")) return ok({ kind: "address", address: unwrapped(hostname.slice(1, -1)) });
  if (/^\d+\.\d+\.\d+\.\d+$/.test(hostname)) return ok({ kind: "address", address: hostname });
  return parseName(hostname);
}

function parseName(hostname: string): Parsed<Host> {
  const name = hostname.endsWith(".") ? hostname.slice(0, -1) : hostname;
  // RFC 1035 2.3.4; the underscore is no letter of host names, and common in internal ones all the same.
  if (name.length > 253) return bad("a name has at most 253 characters");
  if (name.split(".").every((label) => /^[a-z0-9_-]{1,63}$/.test(label))) return ok({ kind: "name", name });
  return bad("a name has labels of 1 to 63 letters, digits and hyphens");
}

/** `::ffff:7f00:1` goes out as 127.0.0.1 (RFC 4291 2.5.5.2). */
function unwrapped(address: string): string {
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(address);
  if (mapped === null) return address;
  const [high, low] = mapped.slice(1).map((group) => Number.parseInt(group, 16));
  if (high === undefined || low === undefined) return address;
  return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

export interface Authority {
  readonly host: string;
  /** `null` where there is none. */
  readonly port: number | null;
}

/**
 * Takes `host:port` apart (RFC 3986 3.2), without a look at the host. A colon outside brackets begins the port.
 *
 * @returns a problem for a port that is not 1 to 65535
 */
export function splitAuthority(text: string): Parsed<Authority> {
  const [, host = "", , port] = /^(\[[^\]]*\]|[^:]*)(:(.*))?$/s.exec(text) ?? [];
  if (host === "") {
    // "::1" without brackets: which colon begins the port is anybody's guess.
    return bad(text.includes(":") ? "an IPv6 address needs brackets: [::1]:443" : "the host is missing");
  }
  if (port === undefined) return ok({ host, port: null });
  const number = /^\d{1,16}$/.test(port) ? Number(port) : 0;
  if (number >= 1 && number <= 65535) return ok({ host, port: number });
  return bad(port.includes(":") ? "an IPv6 address needs brackets: [::1]:443" : "a port is 1 to 65535");
}

function ok<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

function bad(problem: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem };
}
