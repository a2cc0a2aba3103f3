import { execFile } from "node:child_process";
import { createServer } from "node:http";
import t from "tap";
import { createLab, freePort, listen, listenOn } from "./fixtures/lab.ts";
import { servePostgres } from "./fixtures/postgres.ts";

/* Real clients, told of their proxy as an agent is. git is wherever this is developed; of the others, those that are there. */

const here = ["127.0.0.1"];

interface Ended {
  /** Null where there is no such program. */
  readonly code: number | null;
  readonly output: string;
}

function run(command: readonly string[], environment: Readonly<Record<string, string>>): Promise<Ended> {
  const [program = "", ...args] = command;
  const env = { PATH: process.env.PATH ?? "", LANG: "C.UTF-8", HOME: "/nonexistent", ...environment };
  return new Promise((resolve) => {
    execFile(program, args, { env, timeout: 60_000 }, (error, stdout, stderr) => {
      const isMissing = error?.code === "ENOENT";
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code: isMissing ? null : code, output: stdout + stderr });
    });
  });
}

t.test("git, curl, wget and psql reach what is allowed, and are told why not of the rest", async (t) => {
  // A repository for clients that take plain files (gitprotocol-http), and a page.
  const web = createServer((request, response) => {
    const isRefs = request.url?.startsWith("/repo/info/refs") === true;
    response.end(isRefs ? `${"1".repeat(40)}\trefs/heads/hello\n` : "hello\n");
  });
  const [port, forward] = [await listenOn(t, web), await freePort()];
  const database = await listen(t, servePostgres("hello"));
  const lab = await createLab(t, {
    aa: {
      egress: [
        { host: "web.test", port, private: true },
        { host: "db.test", port: database.port, private: true, protocol: "postgres", forward },
      ],
    },
  });
  lab.dns.answers.set("web.test", here).set("db.test", here);
  const proxy = `http://127.0.0.1:${lab.port("aa")}`;
  const environment = {
    http_proxy: proxy,
    https_proxy: proxy,
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_TERMINAL_PROMPT: "0",
  };
  const place = `web.test:${port}`;
  const psql = [
    "psql",
    "-X",
    "-At",
    "-h",
    "127.0.0.1",
    "-p",
    String(forward),
    "-U",
    "agent",
    "-c",
    "select",
    "db",
  ];
  const allowed: Readonly<Record<string, readonly string[]>> = {
    "git over HTTP": ["git", "ls-remote", `http://${place}/repo`],
    curl: ["curl", "-sS", `http://${place}/`],
    "curl through a tunnel": ["curl", "-sS", "--proxytunnel", `http://${place}/`],
    "curl through SOCKS": ["curl", "-sS", "-x", proxy.replace("http", "socks5h"), `http://${place}/`],
    wget: ["wget", "-qO-", `http://${place}/`],
    "psql through a forward": psql,
  };
  const refused: Readonly<Record<string, readonly [command: readonly string[], told: RegExp]>> = {
    "git over HTTP": [["git", "ls-remote", "http://evil.test/repo"], /403/],
    "git over TLS": [["git", "ls-remote", "https://evil.test/repo"], /403/],
    curl: [["curl", "-sS", "--fail-with-body", "http://evil.test/"], /Ask the operator to add/],
    wget: [["wget", "-qO-", "--content-on-error", "http://evil.test/"], /Ask the operator to add/],
  };
  const missing = new Set<string>();
  for (const [name, command] of Object.entries(allowed)) {
    const { code, output } = await run(command, environment);
    if (code === null) missing.add(command[0] ?? "");
    else t.match({ code, output }, { code: 0, output: /hello/ }, `allowed: ${name}`);
  }
  for (const [name, [command, told]] of Object.entries(refused)) {
    const { code, output } = await run(command, environment);
    if (code === null) continue;
    t.not(code, 0, `refused: ${name}`);
    t.match(output, told, `and told: ${name}`);
  }
  t.notOk(missing.has("git"), "there is a git");
  if (missing.size > 0) t.comment(`not on this machine: ${[...missing].join(", ")}`);
});
