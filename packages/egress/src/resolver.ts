import { Resolver as DnsResolver } from "node:dns/promises";
import { readFile } from "node:fs/promises";
import { systemCode } from "@daruma/base";
import { parseHost } from "@daruma/config";

export interface ResolverOptions {
  /** `ADDRESS` or `ADDRESS:PORT`; without any, those of /etc/resolv.conf. */
  readonly servers?: readonly string[];
  /** Names that are looked up here before any server is asked. Default /etc/hosts. */
  readonly hostsFile?: string;
  /** For all attempts of one lookup together. Default 5,000. */
  readonly timeoutMs?: number;
}

/** Why a name has no addresses: it does not exist, or nobody could be asked. */
export class LookupFailure extends Error {
  readonly code: "no-such-name" | "dns-failed" | "dns-timeout" | "dns-busy";

  constructor(code: LookupFailure["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/** What one lookup may bring; an answer with more is no honest one. */
const maxAddresses = 64;
/** Lookups at the same time; one agent's names that hang must not use up what others need (see `Door`). */
const maxPending = 1024;

/**
 * Names to addresses, by asking name servers itself: getaddrinfo(3) would block one of four threads for each name that
 * hangs, and cannot be told which server to ask.
 */
export class Resolver {
  readonly #options: ResolverOptions;
  readonly #pending = new Map<string, Promise<readonly string[]>>();

  constructor(options: ResolverOptions = {}) {
    this.#options = options;
  }

  /**
   * All addresses of a name, normalised. Those who ask for the same name at the same time share one lookup; nothing is
   * kept longer, so a name server's TTL is never exceeded.
   *
   * @throws LookupFailure
   */
  async resolve(name: string): Promise<readonly string[]> {
    const pending = this.#pending.get(name);
    if (pending !== undefined) return pending;
    if (this.#pending.size >= maxPending)
      throw new LookupFailure("dns-busy", "too many names are being looked up");
    const lookup = this.#lookup(name).finally(() => this.#pending.delete(name));
    this.#pending.set(name, lookup);
    return lookup;
  }

  async #lookup(name: string): Promise<readonly string[]> {
    // RFC 6761 6.3: never asked of a server.
    if (name === "localhost" || name.endsWith(".localhost")) return ["127.0.0.1", "::1"];
    const known = await this.#inHostsFile(name);
    return known.length > 0 ? known : this.#askServers(name);
  }

  async #askServers(name: string): Promise<readonly string[]> {
    const timeoutMs = this.#options.timeoutMs ?? 5_000;
    const dns = new DnsResolver({ timeout: Math.ceil(timeoutMs / 2), tries: 2 });
    if (this.#options.servers !== undefined) dns.setServers(this.#options.servers);
    const timer = setTimeout(() => dns.cancel(), timeoutMs);
    try {
      // The final dot: a name is not completed with the domains of /etc/resolv.conf.
      const answers = await Promise.allSettled([dns.resolve4(`${name}.`), dns.resolve6(`${name}.`)]);
      const found = answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
      if (found.length > maxAddresses)
        throw new LookupFailure("dns-failed", `${name} has too many addresses`);
      if (found.length > 0) return found;
      const codes = answers.map((answer) =>
        answer.status === "rejected" ? systemCode(answer.reason) : undefined,
      );
      throw failureOf(name, codes);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Read anew each time: a few hundred bytes, and whoever changes it expects that to count. */
  async #inHostsFile(name: string): Promise<readonly string[]> {
    const text = await readFile(this.#options.hostsFile ?? "/etc/hosts", "utf8").catch(() => "");
    return text.split("\n").flatMap((line) => {
      const [address = "", ...names] = (line.split("#", 1)[0] ?? "").trim().split(/\s+/);
      if (!names.some((each) => each.toLowerCase() === name)) return [];
      const parsed = parseHost(address);
      return parsed.ok && parsed.value.kind === "address" ? [parsed.value.address] : [];
    });
  }
}

function failureOf(name: string, codes: readonly (string | undefined)[]): LookupFailure {
  const absent = new Set(["ENOTFOUND", "ENODATA"]);
  if (codes.every((code) => code !== undefined && absent.has(code)))
    return new LookupFailure("no-such-name", `there is no ${name}`);
  const timedOut = codes.some((code) => code === "ETIMEOUT" || code === "ECANCELLED");
  if (timedOut) return new LookupFailure("dns-timeout", `no name server tells where ${name} is`);
  return new LookupFailure("dns-failed", `${name} cannot be looked up: ${codes.filter(Boolean).join(", ")}`);
}
