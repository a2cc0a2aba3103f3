/**
 * What detecting drift costs on a store of 10,000 paths; a part of `make bench`. A store of Nix' own in a temporary directory, and the
 * program's own functions on it: listing it once, one look's share of it, and all of it, with processor time and bytes that were
 * read (children included: proc_pid_stat(5), proc_pid_io(5)). Then the rest of a look: 1,000 links in /etc, 1,000 files of units.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { etcDifferences } from "../../packages/watchd/src/drift/etc.ts";
import { observeEtc, readDeclaredEtc } from "../../packages/watchd/src/drift/etc-observer.ts";
import { nixStore } from "../../packages/watchd/src/drift/nix-store.ts";
import { firstRound, takeTurn } from "../../packages/watchd/src/drift/pace.ts";
import { observeUnitFiles } from "../../packages/watchd/src/drift/unit-observer.ts";
import { unitDifferences } from "../../packages/watchd/src/drift/units.ts";

const paths = Number(process.env.PATHS ?? 10_000);
const bytesPerPath = 32 * 1024;
const links = 1_000;
const [everyMs, withinMs] = [60_000, 7 * 86_400_000];
const perAdd = 500;
const perVerify = 200;

const root = mkdtempSync(join(tmpdir(), "daruma-drift-bench-"));
try {
  const nix = hasNix();
  if (nix) await store();
  else process.stdout.write("drift, store: skipped, there is no nix-store on PATH\n");
  await rest();
} finally {
  // The store is read-only.
  execFileSync("chmod", ["-R", "u+w", root]);
  rmSync(root, { recursive: true });
}

async function store(): Promise<void> {
  Object.assign(process.env, {
    NIX_REMOTE: "",
    NIX_STORE_DIR: join(root, "store"),
    NIX_STATE_DIR: join(root, "state"),
    NIX_LOG_DIR: join(root, "log"),
    NIX_CONF_DIR: join(root, "conf"),
    HOME: root,
  });
  const added = fill();
  const tools = nixStore({ signal: new AbortController().signal });
  const title = `drift, store of ${paths.toLocaleString("en")} paths, ${mib(paths * bytesPerPath)}`;
  const listed = await measure(() => tools.list(added));
  const inUse = listed.value;
  const { paths: turn } = takeTurn(firstRound(0), inUse, { elapsedMs: everyMs, withinMs, now: 0 });
  const one = await measure(() => tools.verify(turn));
  const all = await measure(async () => {
    for (let at = 0; at < inUse.length; at += perVerify)
      await tools.verify(inUse.slice(at, at + perVerify).map(({ path }) => path));
  });
  print(title, [
    ["listed with sizes, once a generation", listed],
    [`one look's share (${turn.length} of them, a round takes 7 d)`, one],
    ["all of them, 200 at once", all],
  ]);
  const share = (one.cpuMs / everyMs) * 100;
  process.stdout.write(`of one processor at a look a minute: ${share.toFixed(3)} %\n\n`);
}

/** 500 at a time: the store's paths, in no particular order. */
function fill(): readonly string[] {
  const source = join(root, "source");
  mkdirSync(source);
  const added: string[] = [];
  for (let from = 0; from < paths; from += perAdd) {
    const files = Array.from({ length: Math.min(perAdd, paths - from) }, (_, index) => {
      const file = join(source, `file-${from + index}`);
      writeFileSync(file, Buffer.alloc(bytesPerPath, `${from + index} `));
      return file;
    });
    const told = execFileSync("nix-store", ["--add", ...files], { encoding: "utf8" });
    added.push(...told.trim().split("\n"));
  }
  return added;
}

async function rest(): Promise<void> {
  const [system, etc] = [join(root, "system"), join(root, "etc")];
  mkdirSync(join(system, "etc/some"), { recursive: true });
  mkdirSync(join(etc, "some"), { recursive: true });
  symlinkSync(join(system, "etc"), join(etc, "static"));
  for (let index = 0; index < links; index += 1) {
    symlinkSync("/nowhere", join(system, `etc/some/${index}`));
    symlinkSync(`/etc/static/some/${index}`, join(etc, `some/${index}`));
  }
  const drops = join(root, "run/systemd/system");
  const names = Array.from({ length: links }, (_, index) => `unit-${index}.service`);
  for (const name of names) {
    mkdirSync(join(drops, `${name}.d`), { recursive: true });
    writeFileSync(join(drops, `${name}.d/x.conf`), "[Service]\nNice=1\n");
  }
  const declared = readDeclaredEtc(system);
  const units = { names: new Set(names), restartable: new Set<string>() };
  const etcLooked = await measure(async () => etcDifferences(declared, observeEtc(etc, declared)));
  if (etcLooked.value.length !== 0) throw new Error("nothing differs in /etc, and something was found");
  const files = await measure(async () => unitDifferences(units, observeUnitFiles(root)));
  if (files.value.length !== links) throw new Error("there is one difference for each drop-in");
  print("drift, the rest of a look", [
    [`${links.toLocaleString("en")} links in /etc, none differs`, etcLooked],
    [`${links.toLocaleString("en")} drop-ins, every one differs`, files],
  ]);
}

interface Measured<T> {
  readonly value: T;
  readonly ms: number;
  readonly cpuMs: number;
  /** By system calls: as much as the disk at most. */
  readonly readBytes: number;
}

async function measure<T>(work: () => Promise<T>): Promise<Measured<T>> {
  const [began, before] = [performance.now(), usage()];
  const value = await work();
  const after = usage();
  return {
    value,
    ms: performance.now() - began,
    cpuMs: after.cpuMs - before.cpuMs,
    readBytes: after.readBytes - before.readBytes,
  };
}

/** Of this process and of all its children that have ended. */
function usage(): { readonly cpuMs: number; readonly readBytes: number } {
  const stat = readFileSync("/proc/self/stat", "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  // utime, stime, cutime and cstime, in hundredths of a second.
  const ticks = stat.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  const rchar = /^rchar: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1];
  return { cpuMs: ticks * 10, readBytes: Number(rchar) };
}

function print(title: string, rows: readonly (readonly [string, Measured<unknown>])[]): void {
  const width = Math.max(title.length, ...rows.map(([label]) => label.length)) + 2;
  const line = (label: string, cells: readonly string[]) =>
    `${label.padEnd(width)}${cells.map((cell) => cell.padStart(14)).join("")}\n`;
  process.stdout.write(line(title, ["took", "processor", "read"]));
  for (const [label, { ms, cpuMs, readBytes }] of rows)
    process.stdout.write(line(label, [`${ms.toFixed(0)} ms`, `${cpuMs} ms`, mib(readBytes)]));
  process.stdout.write("\n");
}

function mib(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function hasNix(): boolean {
  try {
    execFileSync("nix-store", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
