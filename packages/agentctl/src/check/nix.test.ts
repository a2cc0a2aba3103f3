// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are the interpolations of Nix
import { decodeFleet, nixpkg } from "@daruma/config";
import t from "tap";
import { withoutNix } from "../compile/nix-support.ts";
import { checkNix } from "./nix.ts";

const agent = { command: [nixpkg("python3", "bin/x"), nixpkg("python3.pkgs.pip", "bin/y")] };
const decoded = decodeFleet({ hosts: { web: { system: "x86_64-linux", agents: { one: agent } } } });
if (!decoded.ok) throw new Error("the fleet of the test is not valid");
const { fleet } = decoded;

const options = {
  configFile: "/f/fleet.config.ts",
  out: null,
  cwd: "/f",
  path: process.env.PATH ?? "",
  signal: new AbortController().signal,
};
const files = (text: string) => new Map([["web/default.nix", text]]);

t.test("what Nix does not read is told with its file", { skip: withoutNix }, async (t) => {
  const good =
    '{ pkgs, ... }: { services.daruma.x = ["${pkgs.python3}" "${pkgs.python3.pkgs.pip}" (builtins.path { path = ./.; name = "a"; })]; }';
  t.same(await checkNix(files(good), fleet, options), []);
  t.match(await checkNix(files("{ pkgs, ... }: { services.daruma = ; }"), fleet, options), [
    { code: "CHECK_E_NIX", path: "web/default.nix", message: /does not parse/ },
  ]);
  t.match(await checkNix(files('{ pkgs, ... }: { services.daruma.x = "${pkgs.gone}"; }'), fleet, options), [
    { code: "CHECK_E_NIX", path: "web/default.nix", message: /does not evaluate/ },
  ]);
});

t.test("without Nix it is said to be skipped", async (t) => {
  t.match(await checkNix(files("{"), fleet, { ...options, path: "/nowhere" }), { skipped: String });
});
