import { character } from "@daruma/base/test-support";
import fc from "fast-check";
import t from "tap";
import { classOf } from "./address.ts";
import { decideAddresses } from "./decide.ts";
import { explainTarget } from "./explain.ts";
import { policyOf } from "./fixtures/policy.ts";
import { formatTarget, parseTarget, type Target } from "./target.ts";

/* Spellings at random: whatever a client sends, what counts is the normal form. */

const policy = policyOf([
  "api.example.com:443",
  "*.s3.amazonaws.com:443",
  { cidr: "10.1.0.0/16", port: 443 },
]);

function targetOf(text: string): Target {
  const parsed = parseTarget(text);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.target;
}

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
    fc.property(fc.oneof(fc.string({ unit: character }), fc.webUrl(), fc.string()), (text) => {
      const { decision, target } = explainTarget(policy, text);
      if (decision === "allow" && target === null) throw new Error("something that is no target is allowed");
    }),
    { numRuns: 1000 },
  );
});
