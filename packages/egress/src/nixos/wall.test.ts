import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import t from "tap";

/** Takes whatever it is given for rules, and prints what it was given last, as the kernel would. */
const nft = `#!/bin/sh
case $1 in
--file) cp "$2" "$0.table" ;;
*) cat "$0.table" ;;
esac
`;

/** The program with a root directory of its own, and a kernel that does whatever it is told. */
function wallIn(root: string) {
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  write("nft", nft);
  chmodSync(join(root, "nft"), 0o755);
  mkdirSync(join(root, "run/daruma-egress-wall"), { recursive: true });
  const program = readFileSync(new URL("wall.sh", import.meta.url), "utf8");
  write(
    "wall.sh",
    program.replaceAll(/\/(?:etc|run)\//g, (at) => root + at),
  );
  const unit = (user: string) => {
    const name = user.startsWith("da-") ? `agent-${user.slice(3)}` : `routine-${user.slice(3)}@`;
    return `etc/systemd/system/daruma-${name}.service`;
  };
  const run = (verb: string) =>
    execFileSync("/bin/sh", [join(root, "wall.sh"), verb], {
      env: { PATH: `${root}:${process.env.PATH}` },
      stdio: ["ignore", "pipe", "ignore"],
    });
  return {
    run,
    /** Makes a generation current: the users that it declares, and those of them that it confines. */
    generation(declared: Readonly<Record<string, number>>, confined: readonly string[]): void {
      const passwd = Object.entries(declared).map(([user, uid]) => `${user}:x:${uid}:${uid}::/:/bin/false\n`);
      write("etc/passwd", ["root:x:0:0::/:/bin/sh\n", ...passwd].join(""));
      rmSync(join(root, "etc/systemd"), { recursive: true, force: true });
      for (const user of Object.keys(declared)) write(unit(user), "");
      const rules = confined.map((user) => `    meta skuid "${user}" goto agent-${user}\n`);
      write("etc/daruma/egress.nft", `table inet daruma_egress {\n${rules.join("")}}\n`);
    },
    withoutRules: () => rmSync(join(root, "etc/daruma/egress.nft")),
    /** Numbers of the users that the kernel lets reach nothing. */
    held(): readonly number[] {
      const table = readFileSync(join(root, "nft.table"), "utf8");
      return [...table.matchAll(/skuid (\d+) goto held/g)].map(([, uid]) => Number(uid)).sort();
    },
    stands: () => existsSync(join(root, "run/daruma-egress-wall/loaded")),
  };
}

t.test("who had rules and is declared no more reaches nothing, until it is declared again", async (t) => {
  const wall = wallIn(t.testdir());
  wall.generation({ "da-web": 1, "dr-daily": 2, "dr-nightly": 3, "dr-free": 4 }, [
    "da-web",
    "dr-daily",
    "dr-nightly",
  ]);
  wall.run("load");
  t.same(wall.held(), []);

  wall.generation({ "da-web": 1, "dr-daily": 2 }, ["da-web"]);
  wall.run("load");
  t.same(wall.held(), [3], "whose rules were taken away is free, and who never had any");
  wall.run("load");
  t.same(wall.held(), [3], "however often it is loaded");

  wall.withoutRules();
  t.throws(() => wall.run("load"), "without its rules it is not loaded");
  t.same(wall.held(), [3]);
  t.ok(wall.stands());

  wall.run("unload");
  t.same(wall.held(), [3], "also while there is no wall");
  t.notOk(wall.stands());

  wall.generation({ "da-web": 1 }, ["da-web"]);
  wall.run("load");
  t.same(wall.held(), [3]);
  wall.generation({ "da-web": 1, "dr-nightly": 3 }, ["da-web", "dr-nightly"]);
  wall.run("load");
  t.same(wall.held(), [], "it has rules of its own");
  wall.generation({ "da-web": 1 }, ["da-web"]);
  wall.run("load");
  t.same(wall.held(), [3]);
  wall.generation({ "da-web": 1, "dr-nightly": 3 }, ["da-web"]);
  wall.run("load");
  t.same(wall.held(), [], "it is free");
});
