/**
 * Toplevels that were built before. Building one takes more than a second, scenarios deploy the same few again and again, and what
 * Nix makes of the same files is the same: so a closure is built in the first host that wants it, and copied into others.
 */
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { cached, hashOf } from "./cache.ts";
import type { Host } from "./host.ts";
import { layers, repository } from "./packages.ts";

/** Where a closure passes through on its way out of a host. */
const passing = "/root/closure";
const withinMs = 120_000;

/** Everything that a toplevel is made of is in the layers, in modules/, or in `given`. Resolves with its store path. */
export async function closure(
  host: Host,
  given: readonly string[],
  build: () => Promise<string>,
): Promise<string> {
  const key = await hashOf([await foundation(), host.name, ...given]);
  let built: string | undefined;
  const kept = await cached(`closure-${key}`, async (temporary) => {
    built = await build();
    await mkdir(temporary);
    await exportTo(host, built, temporary);
  });
  if (built !== undefined) return built;
  const input = await readFile(join(kept, "closure"));
  await host.succeed(["nix-store", "--import"], { input, timeoutMs: withinMs });
  return readFile(join(kept, "path"), "utf8");
}

/** Without what every host has from the start. */
async function exportTo(host: Host, path: string, directory: string): Promise<void> {
  const everywhere = "$(nix-store -qR /nix/var/nix/gcroots/test-host-*)";
  const chosen = `$(nix-store -qR ${path} | grep -vxF "${everywhere}")`;
  await host.succeed(`nix-store --export ${chosen} >${passing}`, { timeoutMs: withinMs });
  await copyFile(host.path(passing), join(directory, "closure"));
  await rm(host.path(passing));
  await writeFile(join(directory, "path"), path);
}

let founded: Promise<string> | undefined;

/** A hash of what all toplevels of this checkout have in common. */
function foundation(): Promise<string> {
  founded ??= (async () => {
    const modules = join(repository, "modules");
    const names = (await readdir(modules, { recursive: true }))
      .filter((name) => name.endsWith(".nix"))
      .sort();
    const files = names.flatMap((name) => [name, { file: join(modules, name) }]);
    return hashOf([...(await layers()).map((path) => basename(path)), ...files]);
  })();
  return founded;
}
