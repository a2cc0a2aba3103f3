import { type AgentEgress, agentEgress, decodeFleet } from "@daruma/config";
import fc from "fast-check";
import t from "tap";
import { type AddressClass, classOf, embeddedAddress } from "./address.ts";
import { decide, decideAddresses, protocolFor } from "./decide.ts";
import { explainTarget, remedyFor } from "./explain.ts";
import { formatTarget, parseTarget, type Target } from "./target.ts";

/** The policy of an agent, through the schema. */
export function policyOf(egress: unknown, host: object = {}, fleet: object = {}): AgentEgress {
  const agents = { aa: { command: ["/bin/true"], egress } };
  const decoded = decodeFleet({
    hosts: { hh: { system: "x86_64-linux", agents, egress: host } },
    egress: fleet,
  });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  const spec = decoded.fleet.hosts.hh;
  const policy = spec && agentEgress(spec.egress, spec.agents.aa?.egress ?? null);
  if (!policy) throw new Error("the agent has no policy");
  return policy;
}

const policy = policyOf([
  "api.example.com:443",
  "*.s3.amazonaws.com:443",
  "bücher.example:80",
  { host: "db.internal", port: 5432, protocol: "postgres", private: true },
  { cidr: "10.1.0.0/16", port: 22 },
  { cidr: "8.8.8.0/24", port: 53 },
]);

/** What `explainTarget` says: the reason, and for an address what it is. */
function verdict(text: string, rules: AgentEgress | null = policy): string {
  const { decision, reason, address } = explainTarget(rules, text);
  return `${decision} ${reason}${address === undefined ? "" : ` ${address.class}`}`;
}

function targetOf(text: string): Target {
  const parsed = parseTarget(text);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.target;
}

/* The rows of the reference's table that are about names and addresses. */
const rows: readonly (readonly [string, string])[] = [
  // Case, final dot, IDNA.
  ["api.example.com:443", "allow allowed"],
  ["API.Example.COM:443", "allow allowed"],
  ["api.example.com.:443", "allow allowed"],
  ["https://api.example.com", "allow allowed"],
  ["HTTPS://API.EXAMPLE.COM./path?q#f", "allow allowed"],
  ["https://api.example.com:/", "allow allowed"],
  ["https://api.example.com:0443/", "allow allowed"],
  ["wss://api.example.com/socket", "allow allowed"],
  ["http://xn--bcher-kva.example", "allow allowed"],
  ["http://BÜCHER.example/", "allow allowed"],
  ["http://bu\u0308cher.example/", "allow allowed"],
  ["http://api.example.com/", "deny port-not-allowed"],
  ["api.example.com:80", "deny port-not-allowed"],
  ["api.example.com", "deny invalid-target"],
  ["gopher://api.example.com/", "deny invalid-target"],
  // A wildcard is what is below, not the apex and not a look-alike.
  ["bucket.s3.amazonaws.com:443", "allow allowed"],
  ["a.b.s3.amazonaws.com:443", "allow allowed"],
  ["s3.amazonaws.com:443", "deny not-allowed"],
  [".s3.amazonaws.com:443", "deny invalid-target"],
  ["evils3.amazonaws.com:443", "deny not-allowed"],
  ["evil-s3.amazonaws.com:443", "deny not-allowed"],
  ["bucket.s3.amazonaws.com.evil.example:443", "deny not-allowed"],
  ["api.example.com.evil.example:443", "deny not-allowed"],
  ["xapi.example.com:443", "deny not-allowed"],
  // Percent-encoding and NUL in the authority.
  ["https://%61pi.example.com/", "allow allowed"],
  ["api.ex%61mple.com:443", "allow allowed"],
  ["https://api.example.com%00.evil.example/", "deny invalid-target"],
  ["https://api.example.com\u0000.evil.example/", "deny invalid-target"],
  ["https://api.example.com%2f.evil.example/", "deny invalid-target"],
  ["https://api.example.com%2523/", "deny invalid-target"],
  ["api.example.com\r\nx: y:443", "deny invalid-target"],
  ["https://evil.example\\@api.example.com/", "deny invalid-target"],
  ["https://evil.example\t/", "deny invalid-target"],
  // What is before the last @ is no host.
  ["https://api.example.com@evil.example/", "deny not-allowed"],
  ["https://api.example.com:443@evil.example:443/", "deny not-allowed"],
  ["api.example.com@evil.example:443", "deny not-allowed"],
  ["https://user:password@api.example.com/", "allow allowed"],
  ["https://evil.example/@api.example.com/", "deny not-allowed"],
  ["https://evil.example#@api.example.com/", "deny not-allowed"],
  ["https://evil.example?@api.example.com:443/", "deny not-allowed"],
  // Every spelling of an IPv4 address, and IPv6.
  ["http://2130706433/", "deny address-not-public loopback"],
  ["http://0x7f.1/", "deny address-not-public loopback"],
  ["http://017700000001/", "deny address-not-public loopback"],
  ["http://127.1/", "deny address-not-public loopback"],
  ["http://127.0.0.1./", "deny address-not-public loopback"],
  ["http://%31%32%37.1/", "deny address-not-public loopback"],
  ["http://①②⑦.0.0.1/", "deny address-not-public loopback"],
  ["http://0/", "deny address-not-public unspecified"],
  ["http://[::ffff:127.0.0.1]/", "deny address-not-public loopback"],
  ["http://[::ffff:7f00:1]/", "deny address-not-public loopback"],
  ["http://[::]/", "deny address-not-public unspecified"],
  ["http://[::1]/", "deny address-not-public loopback"],
  ["http://[0:0:0:0:0:0:0:1]/", "deny address-not-public loopback"],
  ["http://[::127.0.0.1]/", "deny address-not-public reserved"],
  ["http://[fe80::1%eth0]/", "deny invalid-target"],
  ["http://[fe80::1%25eth0]/", "deny invalid-target"],
  ["http://[fe80::1]/", "deny address-not-public link-local"],
  ["::1:80", "deny invalid-target"],
  ["http://::1/", "deny invalid-target"],
  ["http://[::1/", "deny invalid-target"],
  ["http://256.0.0.1/", "deny invalid-target"],
  ["http://1.2.3.4.5/", "deny invalid-target"],
  // What no agent gets to by accident.
  ["http://169.254.169.254/latest/meta-data/", "deny address-not-public metadata"],
  ["http://2852039166/", "deny address-not-public metadata"],
  ["http://[fd00:ec2::254]/", "deny address-not-public metadata"],
  ["http://[::ffff:a9fe:a9fe]/", "deny address-not-public metadata"],
  ["http://[64:ff9b::a9fe:a9fe]/", "deny address-not-public metadata"],
  ["http://100.64.0.1/", "deny address-not-public shared"],
  ["http://198.18.0.1/", "deny address-not-public benchmark"],
  ["http://[64:ff9b::7f00:1]/", "deny address-not-public nat64"],
  ["http://[2002:7f00:1::]/", "deny address-not-public 6to4"],
  ["http://[2001:0:53aa:64c::1]/", "deny address-not-public teredo"],
  ["http://10.0.0.1/", "deny address-not-public private"],
  ["http://172.31.255.255/", "deny address-not-public private"],
  ["http://192.168.1.1/", "deny address-not-public private"],
  ["http://[fd12::1]/", "deny address-not-public private"],
  ["http://224.0.0.1/", "deny address-not-public multicast"],
  ["http://255.255.255.255/", "deny address-not-public reserved"],
  ["http://[4000::1]/", "deny address-not-public reserved"],
  ["http://localhost/", "deny not-allowed"],
  ["1.1.1.1:443", "deny not-allowed"],
  // Networks that were named.
  ["10.1.2.3:22", "allow allowed"],
  ["ssh://git@0x0a010203/", "allow allowed"],
  ["10.1.2.3:23", "deny address-not-public private"],
  ["10.2.0.1:22", "deny address-not-public private"],
  ["8.8.8.8:53", "allow allowed"],
  ["[::ffff:8.8.8.8]:53", "allow allowed"],
  ["8.8.8.8:54", "deny port-not-allowed"],
  ["postgres://me:secret@db.internal/db", "allow allowed"],
  // Ports.
  ["api.example.com:0", "deny invalid-target"],
  ["api.example.com:65536", "deny invalid-target"],
  ["api.example.com:443x", "deny invalid-target"],
  ["api.example.com:-443", "deny invalid-target"],
  ["https://api.example.com:99999/", "deny invalid-target"],
  ["", "deny invalid-target"],
  ["https:///", "deny invalid-target"],
];

t.test("the table of spellings", async (t) => {
  for (const [text, expected] of rows) t.equal(verdict(text), expected, JSON.stringify(text));
});

t.test("a denial wins over every allowance, for a port or for all", async (t) => {
  const rules = policyOf(
    ["*.example.com:443", "*.example.com:80", { cidr: "10.0.0.0/8", port: 22 }],
    { allow: ["paste.example.com:443"], deny: ["paste.example.com", { host: "*.up.example.com", port: 80 }] },
    { deny: [{ cidr: "10.9.0.0/16" }] },
  );
  t.equal(verdict("https://paste.example.com", rules), "deny denied");
  t.equal(verdict("http://PASTE.example.com.", rules), "deny denied");
  t.equal(verdict("http://x.up.example.com", rules), "deny denied");
  t.equal(verdict("https://x.up.example.com", rules), "allow allowed");
  t.equal(verdict("10.9.1.1:22", rules), "deny denied");
  t.equal(verdict("[64:ff9b::a09:101]:22", rules), "deny denied", "and where NAT64 would lead there");
  t.equal(verdict("10.8.1.1:22", rules), "allow allowed");
  t.same(explainTarget(rules, "10.9.1.1:22").rule, { entry: "10.9.0.0/16", scope: "fleet" });
  t.same(explainTarget(rules, "https://a.example.com").rule, { entry: "*.example.com:443", scope: "agent" });
});

t.test(
  "an agent that nothing is said about reaches everything; one with an empty list nothing",
  async (t) => {
    t.equal(verdict("http://10.0.0.1/", null), "allow unrestricted");
    t.equal(verdict("https://api.example.com", policyOf([])), "deny not-allowed");
  },
);

t.test("all addresses of a name count, and one that is not public condemns all", async (t) => {
  const judged = (text: string, ...addresses: string[]) => {
    const decision = decideAddresses(policy, targetOf(text), addresses);
    return `${decision.decision} ${decision.reason} ${decision.address?.class ?? ""}`.trim();
  };
  t.equal(judged("api.example.com:443", "93.184.216.34", "2606:2800::1"), "allow allowed");
  t.equal(judged("api.example.com:443", "93.184.216.34", "10.0.0.1"), "deny address-not-public private");
  t.equal(judged("api.example.com:443", "::ffff:93.184.216.34"), "deny address-not-public mapped");
  t.equal(judged("api.example.com:443", "64:ff9b::5db8:d822"), "deny address-not-public nat64");
  t.equal(judged("api.example.com:443", "169.254.169.254"), "deny address-not-public metadata");
  t.equal(judged("db.internal:5432", "10.0.0.7", "fd00::7", "127.0.0.1"), "allow allowed");
  t.equal(judged("db.internal:5432", "169.254.169.254"), "deny address-not-public metadata");
  t.equal(judged("db.internal:5432", "64:ff9b::a9fe:a9fe"), "deny address-not-public metadata");
  t.equal(judged("db.internal:5432", "0.0.0.0"), "deny address-not-public unspecified");
  t.equal(judged("evil.example:443", "93.184.216.34"), "deny not-allowed", "the name is asked about again");
  const named = policyOf(["git.example.com:22", { cidr: "10.1.0.0/16", port: 22 }], {
    deny: [{ cidr: "10.1.9.0/24" }],
  });
  const git = targetOf("git.example.com:22");
  t.equal(decideAddresses(named, git, ["10.1.2.3"]).decision, "allow", "its network is named");
  t.equal(decideAddresses(named, git, ["10.1.9.3"]).reason, "denied");
  t.equal(decideAddresses(named, git, ["10.2.2.3"]).reason, "address-not-public");
});

t.test("the most particular rule says what is spoken", async (t) => {
  const rules = policyOf([
    "*.example.com:443",
    { host: "raw.example.com", port: 443, protocol: "tcp" },
    { host: "10.0.0.1", port: 443, protocol: "tls", forward: 2000 },
  ]);
  const protocol = (text: string) => protocolFor(decide(rules, targetOf(text)), targetOf(text));
  t.equal(protocol("a.example.com:443"), "tls");
  t.equal(protocol("raw.example.com:443"), "tcp");
  t.equal(protocol("10.0.0.1:443"), "tcp", "an address has no name");
});

t.test("every refusal says what would help", async (t) => {
  for (const [text] of rows) {
    const explanation = explainTarget(policy, text);
    t.ok(explanation.message.length > 10 && remedyFor(explanation).endsWith("."), text);
    t.notMatch(explanation.message, /undefined|null/);
  }
});

const special: fc.Arbitrary<string> = fc.constantFrom(
  "127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.3.4", "172.16.5.5", "192.168.0.1", "198.18.9.9", "0.0.0.0", "224.0.0.9",
); // biome-ignore format: one line
const ipv4 = fc.oneof(special, fc.ipV4());

/** Ways to write an IPv4 address. */
const spelled = (address: string): fc.Arbitrary<string> => {
  const [a = 0, b = 0, c = 0, d = 0] = address.split(".").map(Number);
  const number = ((a * 256 + b) * 256 + c) * 256 + d;
  const hex = (part: number) => `0x${part.toString(16)}`;
  const octal = (part: number) => `0${part.toString(8)}`;
  const groups = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  return fc.constantFrom(
    address,
    `${address}.`,
    String(number),
    hex(number),
    octal(number),
    [a, b, c, d].map(hex).join("."),
    [a, b, c, d].map(octal).join("."),
    `${a}.${b * 65536 + c * 256 + d}`,
    `${hex(a)}.${b}.${c * 256 + d}`,
    address.replace(/./g, (letter) => `%${letter.charCodeAt(0).toString(16)}`),
    address.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))),
    `[::ffff:${address}]`,
    `[::FFFF:${groups}]`,
    `[0:0:0:0:0:ffff:${groups}]`,
  );
};

/** Ways to write a name. */
const spelledName = (name: string): fc.Arbitrary<string> =>
  fc.array(fc.nat(3), { minLength: name.length, maxLength: name.length }).map((choices) =>
    [...name]
      .map((letter, index) => {
        const way = choices[index];
        if (way === 1) return letter.toUpperCase();
        if (way === 2) return `%${letter.charCodeAt(0).toString(16)}`;
        if (way === 3 && /[a-z]/.test(letter))
          return String.fromCodePoint(0xff41 + letter.charCodeAt(0) - 97);
        return letter;
      })
      .join(""),
  );

const around: fc.Arbitrary<(host: string) => string> = fc.constantFrom(
  (host: string) => `${host}:443`,
  (host: string) => `https://${host}`,
  (host: string) => `https://${host}:443/path?x=@y`,
  (host: string) => `wss://api.example.com@${host}/`,
  (host: string) => `HTTPS://a:b@${host}:00443#z`,
);

t.test(
  "whatever spelling: the decision is the one for the normal form, and it is dialled in normal form",
  async () => {
    const names = ["api.example.com", "x.s3.amazonaws.com", "s3.amazonaws.com", "evil.example", "localhost"];
    const host = fc.oneof(
      ipv4.chain((address) => spelled(address).map((text) => [address, text] as const)),
      fc.constantFrom(...names).chain((name) => spelledName(name).map((text) => [name, text] as const)),
    );
    fc.assert(
      fc.property(host, around, ([normal, text], write) => {
        const expected = explainTarget(policy, `${normal}:443`);
        const found = explainTarget(policy, write(text));
        if (JSON.stringify(found) !== JSON.stringify(expected))
          throw new Error(JSON.stringify({ found, expected }));
        if (formatTarget(targetOf(write(text))) !== `${normal}:443`)
          throw new Error("it is not dialled in normal form");
      }),
      { numRuns: 1500 },
    );
  },
);

t.test("no address that is not public is ever allowed, unless it was asked for", async () => {
  const rules = policyOf(["api.example.com:443", "*.example.com:443"]);
  const address = fc.oneof(
    ipv4,
    fc
      .ipV6()
      .map((text) => targetOf(`[${text}]:1`).host)
      .map((host) => (host.kind === "address" ? host.address : "")),
  );
  const isInternal = (text: string) =>
    /^(10|127|0|169\.254|192\.168|172\.(1[6-9]|2\d|3[01]))\./.test(text) || /^(f[cde]|::)/.test(text);
  fc.assert(
    fc.property(fc.array(address, { minLength: 1, maxLength: 4 }), (addresses) => {
      const { decision } = decideAddresses(rules, targetOf("api.example.com:443"), addresses);
      const bad = addresses.some((each) => classOf(each) !== "public");
      if (addresses.some(isInternal) && !bad) throw new Error("an internal address counts as public");
      if ((decision === "deny") !== bad) throw new Error(`${decision} for ${addresses}`);
    }),
    { numRuns: 1500 },
  );
});

t.test("anything at all is a decision, not an error", async () => {
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.webUrl(), fc.string()), (text) => {
      const { decision, target } = explainTarget(policy, text);
      if (decision === "allow" && target === null) throw new Error("something that is no target is allowed");
    }),
    { numRuns: 1000 },
  );
});

t.test("addresses are what the registries say", async (t) => {
  const known: Readonly<Record<string, AddressClass>> = {
    "1.1.1.1": "public",
    "9.255.255.255": "public",
    "11.0.0.0": "public",
    "100.63.255.255": "public",
    "100.128.0.0": "public",
    "172.15.255.255": "public",
    "172.32.0.0": "public",
    "192.0.1.0": "public",
    "198.17.255.255": "public",
    "223.255.255.255": "public",
    "168.63.129.16": "metadata",
    "169.254.0.1": "link-local",
    "192.0.0.8": "reserved",
    "192.88.99.1": "6to4",
    "203.0.113.9": "documentation",
    "2606:4700::1111": "public",
    "2001:4860:4860::8888": "public",
    "2001:db8::1": "documentation",
    "2001:10::1": "reserved",
    "2001::1": "teredo",
    "fec0::1": "private",
    "ff02::1": "multicast",
    "64:ff9b:1::1": "nat64",
    "100::1": "reserved",
    "::2": "reserved",
    "::ffff:1.1.1.1": "mapped",
    "2002:a9fe:a9fe::1": "metadata",
  };
  for (const [address, expected] of Object.entries(known)) t.equal(classOf(address), expected, address);
  t.equal(embeddedAddress("2001:0:0:0:0:0:f5ff:fffe"), "10.0.0.1", "Teredo inverts its bits");
  t.equal(embeddedAddress("64:ff9b::a00:1"), "10.0.0.1");
  t.equal(embeddedAddress("2606:4700::1111"), null);
});
