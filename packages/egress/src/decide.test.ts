import type { AgentEgress } from "@daruma/config";
import t from "tap";
import { type AddressClass, classOf, embeddedAddress } from "./address.ts";
import { decide, decideAddresses, protocolFor } from "./decide.ts";
import { explainTarget, remedyFor } from "./explain.ts";
import { policyOf } from "./fixtures/policy.ts";
import { parseTarget, type Target } from "./target.ts";

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
