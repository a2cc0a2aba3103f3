import { isIPv6 } from "node:net";
import { addressBits } from "@daruma/config";

/** What an address is, as far as it matters for reaching out. Only `public` is the internet. */
export type AddressClass =
  | "public"
  | "metadata"
  | "unspecified"
  | "loopback"
  | "private"
  | "link-local"
  | "shared"
  | "benchmark"
  | "documentation"
  | "mapped"
  | "nat64"
  | "6to4"
  | "teredo"
  | "multicast"
  | "reserved";

/*
 * The IANA special-purpose registries (RFC 6890 and its updates), the first match counts. A cloud's metadata service hands
 * out the machine's own credentials, wherever its address is from, so it comes before all else.
 */
const table: readonly (readonly [AddressClass, readonly string[]])[] = [
  [
    "metadata",
    [
      "169.254.169.254/32", // AWS, Azure, GCP, OpenStack and others
      "169.254.169.253/32", // AWS: resolver
      "169.254.170.2/32", // AWS: tasks of ECS
      "169.254.170.23/32", // AWS: pods of EKS
      "100.100.100.200/32", // Alibaba Cloud
      "168.63.129.16/32", // Azure: host agent, with a public address
      "192.0.0.192/32", // Oracle Cloud
      "fd00:ec2::/64", // AWS
      "fd20:ce::254/128", // GCP
      "fe80::a9fe:a9fe/128", // OpenStack
    ],
  ],
  ["unspecified", ["0.0.0.0/8", "::/128"]],
  ["loopback", ["127.0.0.0/8", "::1/128"]],
  ["private", ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10"]],
  ["link-local", ["169.254.0.0/16", "fe80::/10"]],
  ["shared", ["100.64.0.0/10"]],
  ["benchmark", ["198.18.0.0/15", "2001:2::/48"]],
  ["documentation", ["192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"]],
  ["multicast", ["224.0.0.0/4", "ff00::/8"]],
  ["mapped", ["::ffff:0:0/96"]],
  ["nat64", ["64:ff9b::/96", "64:ff9b:1::/48"]],
  ["6to4", ["192.88.99.0/24", "2002::/16"]],
  ["teredo", ["2001::/32"]],
  ["reserved", ["192.0.0.0/24", "240.0.0.0/4", "2001::/23"]],
];

/** Where an IPv6 address carries an IPv4 address that the packet ends up at, after how many bits. */
const carriers: readonly (readonly [AddressClass, number])[] = [
  ["mapped", 96],
  ["nat64", 96],
  ["6to4", 16],
  // RFC 4380 4: the client's address, with every bit inverted.
  ["teredo", 96],
];

const networks = table.map(([name, cidrs]) => [name, networksOf(cidrs)] as const);
/** All that is routed on the internet in IPv6 (RFC 4291 2.4); what is beyond has no use yet. */
const globalUnicast = networksOf(["2000::/3"]);

/** @param address normalised, see `parseHost` in the config package */
export const classOf: (address: string) => AddressClass = remembering((address) => {
  const found = plainClassOf(address);
  const inner = carriedAddress(address, found);
  // Whatever carries it there, the metadata service is what is reached.
  return inner !== null && plainClassOf(inner) === "metadata" ? "metadata" : found;
});

/** The IPv4 address that an IPv6 address stands for, if it is of a kind that stands for one. */
export function embeddedAddress(address: string): string | null {
  return carriedAddress(address, plainClassOf(address));
}

/** Whether an address is in a network of a rule. */
export function isWithin(address: string, cidr: string): boolean {
  const cached = ruleNetworks.get(cidr) ?? networksOf([cidr]);
  // Rules come from fleet files and change only with them.
  if (ruleNetworks.size < 10_000) ruleNetworks.set(cidr, cached);
  return contains(cached, address);
}

/*
 * Networks as the bits that their addresses begin with. Not node:net's BlockList: it also takes an IPv4 address for the IPv6
 * address that would wrap it, so that every one of them would be in ::ffff:0:0/96.
 */
interface Network {
  readonly isIPv6: boolean;
  readonly bits: string;
}

const asNetwork = remembering(
  (address): Network => ({ isIPv6: isIPv6(address), bits: addressBits(address) }),
);
const ruleNetworks = new Map<string, readonly Network[]>();

function plainClassOf(address: string): AddressClass {
  for (const [name, list] of networks) if (contains(list, address)) return name;
  return !isIPv6(address) || contains(globalUnicast, address) ? "public" : "reserved";
}

function carriedAddress(address: string, found: AddressClass): string | null {
  const offset = carriers.find(([name]) => name === found)?.[1];
  if (offset === undefined || !isIPv6(address)) return null;
  const bits = addressBits(address).slice(offset, offset + 32);
  const parts = [0, 8, 16, 24].map((at) => Number.parseInt(bits.slice(at, at + 8), 2));
  return parts.map((part) => (found === "teredo" ? 255 - part : part)).join(".");
}

function networksOf(cidrs: readonly string[]): readonly Network[] {
  return cidrs.map((cidr) => {
    const [address = "", prefix] = cidr.split("/");
    return { isIPv6: isIPv6(address), bits: addressBits(address).slice(0, Number(prefix)) };
  });
}

function contains(list: readonly Network[], address: string): boolean {
  const { bits, isIPv6: family } = asNetwork(address);
  return list.some((network) => network.isIPv6 === family && bits.startsWith(network.bits));
}

/** Each connection asks several times about the same few addresses. Clients choose them, so not all are kept. */
function remembering<T>(compute: (address: string) => T): (address: string) => T {
  const known = new Map<string, T>();
  return (address) => {
    const found = known.get(address);
    if (found !== undefined) return found;
    const computed = compute(address);
    if (known.size >= 4_096) known.clear();
    known.set(address, computed);
    return computed;
  };
}
