/**
 * What the tests of modules/ share: hosts as Nix sees them, a stand-in for nixpkgs, and units.nix over both.
 */
import { fileURLToPath } from "node:url";
import { type AgentInput, decodeFleet, type HostInput, type HostSpec, hostSpecs } from "@daruma/config";
import { hostExpression } from "../../packages/agentctl/src/compile/host-expression.ts";
import { printNix } from "../../packages/agentctl/src/compile/nix-expression.ts";
import {
  evaluateNix,
  nixInstantiate,
  nixpkgsLib,
  withoutLib,
  withoutNix,
} from "../../packages/agentctl/src/compile/nix-support.ts";

export { evaluateNix, nixInstantiate, nixpkgsLib, withoutNix };

/** Why tests that need nixpkgs' module system skip. */
export const withoutModules = withoutLib || tooOld();

/** nixpkgs' lib refuses an older Nix; the one of Debian 12 is such a one. */
function tooOld(): string | false {
  const version = String(evaluateNix("builtins.nixVersion"));
  const old = evaluateNix(`builtins.compareVersions ${JSON.stringify(version)} "2.18" < 0`);
  return old === true && `nixpkgs' lib needs Nix 2.18 or newer, this is ${version}`;
}

/** A Nix expression that is the given path. */
export function nixPath(relative: string): string {
  return `(/. + ${JSON.stringify(fileURLToPath(new URL(`../../${relative}`, import.meta.url)))})`;
}

/** The packages that the tests' fleets and units.nix refer to. */
export const packages = `{
  nodejs_24 = "/stub/nodejs_24";
  coreutils = "/stub/coreutils";
  nix = "/stub/nix";
  nftables = "/stub/nftables";
  systemd = "/stub/systemd";
  daruma = "/stub/daruma";
  runtimeShell = "/stub/bash/bin/bash";
}`;

export interface HostCase {
  readonly agents: Readonly<Record<string, AgentInput>>;
  /** @default etl-01 */
  readonly name?: string;
  readonly host?: Partial<HostInput>;
  /** Nix that is added to the arguments of units.nix. */
  readonly arguments?: string;
}

/** What units.nix returns, as far as it is data. */
export interface Units {
  readonly units: Readonly<Record<string, Sections>>;
  readonly unitTexts: Readonly<Record<string, string>>;
  readonly users: Readonly<Record<string, { readonly group: string; readonly home: string }>>;
  readonly groups: Readonly<Record<string, unknown>>;
  readonly tmpfiles: readonly string[];
  readonly etc: Readonly<Record<string, { readonly text: string; readonly executable: boolean }>>;
  readonly hostManifest: unknown;
}

type Setting = string | number | boolean;
export type Sections = Readonly<Record<string, Readonly<Record<string, Setting | readonly Setting[]>>>>;

/** A host from a fleet file, through the schema. */
export function hostSpecOf({ agents, name = "etl-01", host }: HostCase): HostSpec {
  const decoded = decodeFleet({ hosts: { [name]: { system: "x86_64-linux", agents, ...host } } });
  if (!decoded.ok) throw new Error(JSON.stringify(decoded.problems));
  const [spec] = hostSpecs(decoded.fleet);
  if (spec === undefined) throw new Error("the fleet has no host");
  return spec;
}

/** The value of services.daruma for a host: what the generated file says. */
export function nixHost(host: HostCase): string {
  const places = { configDirectory: "/srv/fleet", fileDirectory: "/srv/fleet/generated/host" };
  return printNix(hostExpression(hostSpecOf(host), places));
}

/** units.nix for each host, in one evaluation. */
export function unitsOf(hosts: readonly HostCase[]): readonly Units[] {
  const calls = hosts.map(
    (host) => `(import ${nixPath("modules/units.nix")} ({
      spec = ${nixHost(host)};
      inherit pkgs;
      hostSeed = "seed";
    } // { ${host.arguments ?? ""} }))`,
  );
  return evaluateNix(`
    let
      pkgs = ${packages};
      data = units: builtins.removeAttrs units [ "parts" ];
    in
    map data [ ${calls.join("\n")} ]
  `) as readonly Units[];
}

/** `unitsOf` for one host. */
export function unitsOfHost(host: HostCase): Units {
  const [units] = unitsOf([host]);
  if (units === undefined) throw new Error("one host gives one result");
  return units;
}

/** What a record must have. */
export function must<T>(record: Readonly<Record<string, T>>, key: string): T {
  const value = record[key];
  if (value === undefined) throw new Error(`there is no ${key} among ${Object.keys(record).join(", ")}`);
  return value;
}
