import fc from "fast-check";
import t from "tap";
import { decodeFleet } from "../decode.ts";
import { agentPath, decodedAgent, fleetWith, problemsIn } from "../test-support.ts";
import { addressBits, cidrProblem, entryTextProblem, parseCidr, ruleOf } from "./entry.ts";
import { parseHost, splitAuthority } from "./host.ts";
import { proxyPorts } from "./ports.ts";
import { agentEgress, formatRule } from "./rule.ts";

const hostOf = (text: string): string => {
  const parsed = parseHost(text);
  if (!parsed.ok) return `! ${parsed.problem}`;
  return parsed.value.kind === "name" ? parsed.value.name : `=${parsed.value.address}`;
};

t.test("every spelling of a host is one host", async (t) => {
  const spellings: Readonly<Record<string, string>> = {
    "API.Example.COM": "api.example.com",
    "api.example.com.": "api.example.com",
    "api.ex%61mple.com": "api.example.com",
    "bücher.example": "xn--bcher-kva.example",
    "BÜCHER.example.": "xn--bcher-kva.example",
    "xn--bcher-kva.example": "xn--bcher-kva.example",
    "ａｐｉ.example.com": "api.example.com",
    "api。example。com": "api.example.com",
    my_db: "my_db",
    "2130706433": "=127.0.0.1",
    "0x7f.1": "=127.0.0.1",
    "0x7f000001": "=127.0.0.1",
    "0177.0.0.1": "=127.0.0.1",
    "127.1": "=127.0.0.1",
    "127.0.0.1.": "=127.0.0.1",
    "１２７.0.0.1": "=127.0.0.1",
    "%31%32%37.0.0.1": "=127.0.0.1",
    "[::1]": "=::1",
    "::1": "=::1",
    "[0:0:0:0:0:0:0:1]": "=::1",
    "[::FFFF:127.0.0.1]": "=127.0.0.1",
    "::ffff:7f00:1": "=127.0.0.1",
    "[::ffff:0a00:1]": "=10.0.0.1",
    "[FE80::1]": "=fe80::1",
  };
  for (const [text, host] of Object.entries(spellings)) t.equal(hostOf(text), host, text);
});

t.test("what is no host is refused, and never read as some other host", async (t) => {
  const refused = [
    "",
    ".",
    "a..b",
    "a.com..",
    "-.".repeat(200),
    "a".repeat(64),
    "allowed@evil.com",
    "evil.com\\@allowed.com",
    "evil.com#.allowed.com",
    "evil.com?.allowed.com",
    "evil.com/.allowed.com",
    "a b",
    "a\tb",
    "a\r\nb",
    "a\u0000b",
    "a%00b",
    "a%2fb",
    "a%zz",
    "1.2.3.4.5",
    "256.1.1.1",
    "4294967296",
    "0x1.2.3.4.x.1",
    "[::1",
    "::1]",
    "[::1]]",
    "[::1]:80",
    "[fe80::1%eth0]",
    "fe80::1%25eth0",
    "[v1.x]",
    "a:b",
    "*.example.com",
    "a,b",
  ];
  for (const text of refused) t.match(hostOf(text), /^! /, JSON.stringify(text));
});

t.test("reading a host again changes nothing, whatever it was", async () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.domain(), fc.ipV4Extended(), fc.ipV6(), fc.string(), fc.webAuthority()),
      (text) => {
        const once = parseHost(text);
        if (!once.ok) return;
        const { value } = once;
        const again = parseHost(value.kind === "name" ? value.name : value.address);
        if (!again.ok || JSON.stringify(again.value) !== JSON.stringify(value))
          throw new Error(JSON.stringify(again));
      },
    ),
    { numRuns: 500 },
  );
});

t.test("an authority is a host and a port, and nothing in between", async (t) => {
  t.same(splitAuthority("a.com:0443"), { ok: true, value: { host: "a.com", port: 443 } });
  t.same(splitAuthority("[::1]:80"), { ok: true, value: { host: "[::1]", port: 80 } });
  t.same(splitAuthority("a.com"), { ok: true, value: { host: "a.com", port: null } });
  for (const text of [
    "",
    ":80",
    "a:",
    "a:0",
    "a:65536",
    "a:-1",
    "a:8o",
    "a:1e3",
    "a: 80",
    "::1:80",
    "[::1]80",
    "a:80:80",
  ]) {
    t.notOk(splitAuthority(text).ok, text);
  }
});

t.test("entries become rules: normalised, with defaults", async (t) => {
  const rule = (entry: Parameters<typeof ruleOf>[0]) => ruleOf(entry);
  const plain = { private: false, forward: null };
  t.same(rule("API.example.com.:443"), { host: "api.example.com", port: 443, protocol: "tls", ...plain });
  t.same(rule("*.Bücher.example:80"), {
    host: "*.xn--bcher-kva.example",
    port: 80,
    protocol: "tcp",
    ...plain,
  });
  t.same(rule("10.1:5432"), { cidr: "10.0.0.1/32", port: 5432 });
  t.same(rule("[::1]:443"), { cidr: "::1/128", port: 443 });
  t.same(rule({ cidr: "FD00::/8", port: 1 }), { cidr: "fd00::/8", port: 1 });
  t.same(rule({ host: "db", port: 5432, protocol: "postgres", private: true, forward: 15432 }), {
    host: "db",
    port: 5432,
    protocol: "postgres",
    private: true,
    forward: 15432,
  });
  t.same(rule({ host: "10.0.0.7", port: 5432, forward: 15432 }), {
    host: "10.0.0.7",
    port: 5432,
    protocol: "tcp",
    private: true,
    forward: 15432,
  });
  t.same(
    ["a.com:443", { cidr: "10.0.0.0/8" }].map((entry) => formatRule(rule(entry))),
    ["a.com:443", "10.0.0.0/8"],
  );
});

t.test("what is too broad or means nothing is refused where it stands", async (t) => {
  const wrong: readonly (readonly [unknown, RegExp])[] = [
    ["api.example.com", /must name a port/],
    ["*:443", /"\*" can only/],
    ["*.com:443", /too broad/],
    ["api.*.com:443", /"\*" can only/],
    ["*api.com:443", /"\*" can only/],
    ["**.a.com:443", /"\*" can only/],
    ["*.10.0.0.1:443", /below an address/],
    ["https://a.com:443", /./],
    ["a.com:99999", /port/],
    [{ cidr: "0.0.0.0/0", port: 443 }, /too broad/],
    [{ cidr: "::/0", port: 443 }, /too broad/],
    [{ cidr: "10.0.0.1/8", port: 443 }, /beyond its prefix/],
    [{ cidr: "10.0.0.0/33", port: 443 }, /at most \/32/],
    [{ cidr: "10.0.0.0", port: 443 }, /network/],
    [{ cidr: "10.0.0.0/8" }, /required/],
    [{ host: "a.com" }, /required/],
    [{ host: "*.a.com", port: 1, forward: 2000 }, /leads to one host/],
    [{ host: "a.com", port: 1, protocol: "udp" }, /one of/],
    [7, /entry such as/],
  ];
  for (const [entry, message] of wrong) {
    const problems = problemsIn(fleetWith({ egress: ["ok.example.com:443", entry] }));
    t.equal(problems.length, 1, JSON.stringify(entry));
    t.ok(problems[0]?.path.startsWith(`${agentPath}.egress[1]`), String(problems[0]?.path));
    t.match(problems[0]?.message, message);
  }
  t.equal(entryTextProblem("*.com", "deny"), undefined);
  t.equal(cidrProblem("0.0.0.0/0", "deny"), undefined);
});

t.test("a local port leads to one place on a host", async (t) => {
  const forward = { host: "db.example.com", port: 5432, forward: 15432 };
  const fleet = fleetWith({ egress: [forward, { ...forward, port: 5433 }] });
  t.match(problemsIn(fleet), [{ path: `${agentPath}.egress[1].forward`, message: /already/ }]);
});

t.test("an agent has its own rules first, then those of its host and fleet", async (t) => {
  const own = decodedAgent({ egress: ["a.com:443"] });
  const egress = { allow: ["h.com:443"], deny: ["*.evil.com"], mode: "observe", limits: { connections: 3 } };
  const fleet = fleetWith({}, { egress }) as object;
  const decoded = decodeFleet({
    ...fleet,
    egress: { allow: ["f.com:80"], deny: [{ cidr: "203.0.113.0/24" }] },
  });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  const host = decoded.fleet.hosts["etl-01"];
  if (host === undefined) throw new Error("no host");
  const merged = agentEgress(host.egress, own.egress);
  t.same(
    merged?.allow.map((rule) => `${rule.scope} ${formatRule(rule)}`),
    ["agent a.com:443", "host h.com:443", "fleet f.com:80"],
  );
  t.same(
    merged?.deny.map((rule) => `${rule.scope} ${formatRule(rule)}`),
    ["host *.evil.com", "fleet 203.0.113.0/24"],
  );
  t.same(merged?.limits, { connections: 3, idleMs: 600_000, bytes: null });
  t.equal(merged?.mode, "observe");
  t.not(agentEgress(host.egress, null), null, "a list for all confines those without one");
  const plain = decodeFleet(fleetWith({}));
  if (!plain.ok || plain.fleet.hosts["etl-01"] === undefined) throw new Error("no host");
  t.equal(agentEgress(plain.fleet.hosts["etl-01"].egress, null), null);
  t.same(agentEgress(plain.fleet.hosts["etl-01"].egress, [])?.allow, [], "an empty list allows nothing");
});

t.test("a network has as many bits as its family", async (t) => {
  t.equal(addressBits("255.0.0.1"), `${"1".repeat(8)}${"0".repeat(23)}1`);
  t.equal(addressBits("::").length, 128);
  t.equal(addressBits("1::").indexOf("1"), 15);
  t.equal(addressBits("2001:db8:1:2:3:4:5:6").length, 128);
  t.same(parseCidr("2001:db8::/32"), { ok: true, value: { address: "2001:db8::", prefix: 32 } });
});

t.test("ports derive from names, and only an agent whose port is taken moves on", async (t) => {
  const names = Array.from({ length: 400 }, (_, index) => `agent-${index}`);
  const ports = proxyPorts(names, new Set());
  t.equal(new Set(ports.values()).size, names.length, "no two agents have one port");
  for (const port of ports.values()) t.ok(port >= 20480 && port < 32768);
  const alone = proxyPorts(["agent-7"], new Set()).get("agent-7") ?? 0;
  t.equal(proxyPorts(["agent-7"], new Set([alone])).get("agent-7"), alone + 1);
  t.not(proxyPorts(["agent-7"], new Set(), "elsewhere").get("agent-7"), alone);
  const more = proxyPorts([...names, "zz"], new Set());
  t.same(
    names.filter((name) => more.get(name) !== ports.get(name)),
    [],
  );
});
