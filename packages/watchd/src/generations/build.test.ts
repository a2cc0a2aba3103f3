import { execFileSync } from "node:child_process";
import realFs, {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { basename, join } from "node:path";
import { type AgentSpec, nixpkg, parseFleet, parseManifest, source } from "@daruma/config";
import t from "tap";
import { buildGeneration } from "./build.ts";
import { agentSpec, build, buildCode, hostSpec, resolveProgram, temporary, write } from "./fixtures/fleet.ts";
import { createProgramResolver } from "./programs.ts";
import { listTree } from "./tree.ts";

t.test("a generation is a manifest with real paths, and copies of the sources", async (t) => {
  const directory = await temporary(t);
  await write(directory, {
    "app/main.js": "main",
    "app/lib/node_modules/x/index.js": "x",
    "app/.git/HEAD": "ref",
  });
  const agent = agentSpec({ environment: { LIB: source("app", "lib"), LEVEL: "info" } });
  const { path, manifest, programs, warnings } = await build(directory, hostSpec({ app: agent }));

  t.match(basename(path), /^[0-9a-z]{32}-daruma-host-01$/);
  t.same(parseManifest(await readFile(join(path, "host.json"), "utf8")), manifest);
  t.same(programs, [{ attribute: "nodejs_24", path: "bin/node", program: "/usr/bin/node" }]);
  t.same(warnings, []);
  const { command = [], environment = {} } = manifest.agents.app ?? {};
  t.equal(command[0], "/usr/bin/node");
  t.match(command[1], /\/root\/store\/[0-9a-z]{32}-source-app\/main\.js$/);
  t.equal(await readFile(command[1] ?? "", "utf8"), "main");
  t.equal(environment.LEVEL, "info");
  t.equal(await readFile(`${environment.LIB}/node_modules/x/index.js`, "utf8"), "x");
  t.equal(await readFile(`${environment.LIB}/../.git/HEAD`, "utf8"), "ref");
});

t.test(
  "a routine's program is found, its sources are copied, and its digest is of what it runs",
  async (t) => {
    const directory = await temporary(t);
    await write(directory, { "etl/main.js": "one", "app/main.js": "" });
    const decoded = parseFleet({
      hosts: {
        h: {
          system: "x86_64-linux",
          agents: {},
          routines: {
            etl: {
              command: [nixpkg("nodejs_24", "bin/node"), source("./etl", "main.js")],
              schedule: "@daily",
            },
          },
        },
      },
    });
    const etl = decoded.hosts.h?.routines.etl;
    if (etl === undefined) throw new Error("unreachable");
    const of = (changes: Partial<typeof etl>) =>
      build(directory, { ...hostSpec({}), routines: { etl: { ...etl, ...changes } } });
    const { path, manifest } = await of({});
    t.same(parseManifest(await readFile(join(path, "host.json"), "utf8")), manifest);
    t.equal(manifest.routines.etl?.command[0], "/usr/bin/node");
    t.equal(await readFile(manifest.routines.etl?.command[1] ?? "", "utf8"), "one");
    const digest = manifest.routines.etl?.digest;
    t.equal((await of({ retries: 5, atBoot: true })).manifest.routines.etl?.digest, digest);
    t.not((await of({ environment: { A: "1" } })).manifest.routines.etl?.digest, digest);
    await t.rejects(of({ command: [nixpkg("nothing", "bin/nothing")] }), {
      code: "GENERATION_E_PROGRAM_NOT_FOUND",
      problems: [{ path: "hosts.host-01.routines.etl.command[0]" }],
    });
  },
);

t.test("the same input gives the same path again, and other code another one", async (t) => {
  const directory = await temporary(t);
  const first = await buildCode(directory, "one");
  t.equal((await buildCode(directory, "one")).path, first.path);
  const second = await buildCode(directory, "two");
  t.not(second.path, first.path);
  t.not(second.manifest.agents.app?.digest, first.manifest.agents.app?.digest);
  t.equal(second.manifest.hostDigest, first.manifest.hostDigest);
  t.same((await buildCode(directory, "one")).manifest, first.manifest);
});

t.test("what is in the store is read-only and keeps links and the executable bit", async (t) => {
  const directory = await temporary(t);
  await write(directory, { "app/main.js": "", "app/bin/tool": "" });
  await chmod(join(directory, "app", "bin", "tool"), 0o750);
  await symlink("main.js", join(directory, "app", "link"));
  const { manifest } = await build(directory);
  const stored = join(manifest.agents.app?.command[1] ?? "", "..");
  const mode = async (path: string) => ((await lstat(join(stored, path))).mode & 0o7777).toString(8);
  t.equal(await mode(""), "555");
  t.equal(await mode("bin"), "555");
  t.equal(await mode("bin/tool"), "555");
  t.equal(await mode("main.js"), "444");
  t.equal(await readlink(join(stored, "link")), "main.js");
});

t.test("digests do not depend on where the fleet or the store is", async (t) => {
  const [here, there] = [await temporary(t), await temporary(t)];
  const first = await buildCode(here, "code");
  const second = await buildCode(there, "code");
  t.not(second.manifest.agents.app?.command[1], first.manifest.agents.app?.command[1]);
  t.equal(second.manifest.agents.app?.digest, first.manifest.agents.app?.digest);
  t.equal(second.manifest.hostDigest, first.manifest.hostDigest);
});

t.test("an agent's digest changes with all that can make it fail, and with nothing else", async (t) => {
  const directory = await temporary(t);
  await write(directory, { "app/main.js": "", "app/other.js": "" });
  const digestWith = async (changes: Partial<AgentSpec>) => {
    const { manifest } = await build(directory, hostSpec({ app: agentSpec(changes) }));
    return manifest.agents.app?.digest;
  };
  const plain = agentSpec();
  const same = await digestWith({});
  const health = {
    url: "http://127.0.0.1:2/",
    everyMs: 1000,
    withinMs: 500,
    status: 200,
    body: null,
    failures: 3,
  };
  const changing: Partial<AgentSpec>[] = [
    { command: [nixpkg("nodejs_24", "bin/node"), source("./app", "other.js")] },
    { command: [nixpkg("nodejs_24", "bin/node"), source("./app", "main.js"), "--flag"] },
    { environment: { A: "1" } },
    { workingDirectory: "/" },
    { credentials: { KEY: "/run/key" } },
    { limits: { memoryBytes: 1 } },
    { health: null },
    { health },
    { health: { ...health, withinMs: 1 } },
    { startupMs: 1 },
    { stop: { signal: "SIGINT", graceMs: 1000 } },
  ];
  const digests = await Promise.all(changing.map(digestWith));
  t.equal(new Set([same, ...digests]).size, changing.length + 1);
  t.equal(await digestWith({ required: false, escalate: ["alert"] }), same);
  t.equal(await digestWith({ restart: { ...plain.restart, attempts: 9 } }), same);
  t.equal(await digestWith({ command: [nixpkg("nodejs_22", "bin/node"), source("app", "main.js")] }), same);
});

t.test("an agent more, or another watchdog policy, changes no other digest", async (t) => {
  const directory = await temporary(t);
  await write(directory, { "app/main.js": "" });
  const one = (await build(directory)).manifest;
  const spec = hostSpec({ app: agentSpec(), more: agentSpec({ environment: { A: "1" } }) });
  const two = (await build(directory, { ...spec, watchdog: { probationMs: 1, rollbackBudget: 0 } })).manifest;
  t.equal(two.agents.app?.digest, one.agents.app?.digest);
  t.equal(two.hostDigest, one.hostDigest);
  t.not((await build(directory, { ...spec, host: "host-02" })).manifest.hostDigest, one.hostDigest);
});

t.test("all programs that are missing are reported at once, by path in the fleet file", async (t) => {
  const directory = await temporary(t);
  await write(directory, { "app/main.js": "" });
  const command: AgentSpec["command"] = [nixpkg("deno", "bin/deno"), nixpkg("curl", "lib/libcurl.so")];
  await t.rejects(build(directory, hostSpec({ app: agentSpec({ command }) })), {
    code: "GENERATION_E_PROGRAM_NOT_FOUND",
    problems: [
      { path: "hosts.host-01.agents.app.command[0]", message: /deno.*PATH/ },
      { path: "hosts.host-01.agents.app.command[1]", message: /libcurl/ },
    ],
  });
});

t.test("all sources that are missing are reported at once", async (t) => {
  const directory = await temporary(t);
  await write(directory, { "app/main.js": "", file: "" });
  const environment = { A: source("nowhere", "x"), B: source("file", "x"), C: source("app", "none.js") };
  await t.rejects(build(directory, hostSpec({ app: agentSpec({ environment }) })), {
    code: "GENERATION_E_SOURCE",
    problems: [
      { path: "hosts.host-01.agents.app.environment.A", message: /does not exist/ },
      { path: "hosts.host-01.agents.app.environment.B", message: /not a directory/ },
      { path: "hosts.host-01.agents.app.environment.C", message: /no file none\.js/ },
    ],
  });
});

t.test("a special file in a source is refused, and leaves nothing behind", async (t) => {
  const directory = await temporary(t);
  await write(directory, { "app/main.js": "" });
  execFileSync("mkfifo", [join(directory, "app", "pipe")]);
  await t.rejects(build(directory), { code: "GENERATION_E_SOURCE", where: join(directory, "app") });
  t.same(await listTree(join(directory, "root", "store")), []);
});

t.test("a source that is changed while it is copied is refused, and leaves nothing behind", async (t) => {
  let meddle: (() => Promise<unknown>) | null = null;
  const copyFile = async (...args: Parameters<typeof realFs.copyFile>) => {
    const once = meddle;
    meddle = null;
    const undo = await once?.();
    await realFs.copyFile(...args);
    if (typeof undo === "function") await undo();
  };
  const mocks = { "node:fs/promises": { ...realFs, copyFile } };
  const mocked = await t.mockImport<typeof import("./build.ts")>("./build.ts", mocks);
  const directory = await temporary(t);
  const request = { root: join(directory, "root"), spec: hostSpec(), configDir: directory, resolveProgram };
  const files = ["a.js", "b/c.js", "main.js"].map((name) => join(directory, "app", name));
  const changes = [
    ...files.map((file) => () => writeFile(file, "changed")),
    ...files.map((file) => () => rm(file)),
    () => writeFile(join(directory, "app", "b", "new.js"), "new"),
    () => chmod(join(directory, "app", "main.js"), 0o755),
    () =>
      writeFile(join(directory, "app", "a.js"), "2").then(
        () => () => writeFile(join(directory, "app", "a.js"), "1"),
      ),
  ];
  for (const change of changes) {
    await write(directory, { "app/a.js": "1", "app/b/c.js": "1", "app/main.js": "1" });
    meddle = change;
    await t.rejects(mocked.buildGeneration(request), {
      code: "GENERATION_E_SOURCE",
      where: join(directory, "app"),
      hint: /again/,
    });
    t.same(await readdir(join(directory, "root", "store")), []);
    await rm(join(directory, "app"), { recursive: true });
  }
  await write(directory, { "app/main.js": "1" });
  t.ok((await mocked.buildGeneration(request)).path, "and works once nobody writes");
});

t.test(
  "the directory of generations inside a source is left out if it is in .daruma, and refused elsewhere",
  async (t) => {
    const directory = await temporary(t);
    await write(directory, { "main.js": "", ".daruma/watchd/journal": "busy", "lib/.daruma/x": "" });
    const spec = hostSpec({ app: agentSpec({ command: [source(".", "main.js")] }) });
    const request = { spec, configDir: directory, resolveProgram };
    const { manifest, path } = await buildGeneration({
      ...request,
      root: join(directory, ".daruma", "generations"),
    });
    const stored = join(manifest.agents.app?.command[0] ?? "", "..");
    t.same(
      (await listTree(stored)).map((entry) => entry.path),
      ["lib", "main.js"],
    );
    t.equal(
      (await buildGeneration({ ...request, root: join(directory, ".daruma", "generations") })).path,
      path,
    );
    await t.rejects(buildGeneration({ ...request, root: join(directory, "elsewhere") }), {
      code: "GENERATION_E_SOURCE",
    });
  },
);

t.test("links that lead out of a source are copied as they are, with a warning", async (t) => {
  const directory = await temporary(t);
  await write(directory, { "app/main.js": "", "outside/file": "" });
  await symlink("../outside", join(directory, "app", "link"));
  const { warnings, manifest } = await build(directory);
  t.equal(warnings.length, 1);
  t.match(warnings[0], /link leads out .* \.\.\/outside/);
  t.equal(await readlink(join(manifest.agents.app?.command[1] ?? "", "..", "link")), "../outside");
});

t.test("a heartbeat that nobody would listen to here is told", async (t) => {
  const directory = await temporary(t);
  await write(directory, { "app/main.js": "" });
  const beating = (through: "notify" | "http") =>
    hostSpec({ app: agentSpec({ heartbeat: { through, everyMs: 1_000, silenceMs: 3_000 } }) });
  t.match((await build(directory, beating("notify"))).warnings, [/^agent app: a heartbeat through "notify"/]);
  t.same((await build(directory, beating("http"))).warnings, []);
});

t.test("a store path that is there already is verified, not trusted", async (t) => {
  const directory = await temporary(t);
  const { manifest } = await buildCode(directory, "good");
  const file = manifest.agents.app?.command[1] ?? "";
  await chmod(file, 0o644);
  await writeFile(file, "evil");
  await t.rejects(buildCode(directory, "good"), { code: "GENERATION_E_CORRUPT", where: join(file, "..") });
});

t.test("a root that cannot be a directory is named", async (t) => {
  const directory = await temporary(t);
  await write(directory, { "app/main.js": "", root: "a file" });
  await t.rejects(build(directory), { code: "GENERATION_E_WRITE", where: join(directory, "root") });
});

t.test("odd names of sources become plain names in the store", async (t) => {
  const directory = await temporary(t);
  const odd = `..my stuff ü${"x".repeat(100)}`;
  await write(directory, { [`${odd}/main.js`]: "" });
  const { manifest } = await build(
    directory,
    hostSpec({ app: agentSpec({ command: [source(odd, "main.js")] }) }),
  );
  const stored = basename(join(manifest.agents.app?.command[0] ?? "", ".."));
  t.match(stored, /^[0-9a-z]{32}-source-my-stuff--x{10,64}$/);
});

t.test("programs are looked up on PATH, in order, and only executable files count", async (t) => {
  const directory = await temporary(t);
  for (const path of ["one/tool", "two/tool", "three/tool"]) await write(directory, { [path]: "" });
  await mkdir(join(directory, "zero", "tool"), { recursive: true });
  await chmod(join(directory, "two", "tool"), 0o755);
  await chmod(join(directory, "three", "tool"), 0o755);
  const searchPath = [
    "",
    "relative",
    ...["zero", "one", "two", "three"].map((name) => join(directory, name)),
  ];
  const resolve = createProgramResolver(searchPath.join(":"));
  t.equal(await resolve("tool"), join(directory, "two", "tool"));
  t.equal(await resolve("other"), null);
});
