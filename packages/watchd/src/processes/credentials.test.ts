import { execFileSync } from "node:child_process";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t, { type Test } from "tap";
import { placeCredentials, removeOtherCredentials } from "./credentials.ts";

function room(t: Test) {
  const root = mkdtempSync(join(tmpdir(), "daruma-credentials-"));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const secret = join(root, "secret");
  writeFileSync(secret, "s3cret\n");
  return { root, secret, target: join(root, "run", "credentials", "a") };
}

t.test("credentials are copies that only their owner can read", async (t) => {
  const { root, secret, target } = room(t);
  symlinkSync(secret, join(root, "link"));
  placeCredentials("a", target, { API_KEY: secret, "via.link": join(root, "link") });
  t.equal(statSync(target).mode & 0o777, 0o700);
  for (const name of ["API_KEY", "via.link"]) {
    t.equal(readFileSync(join(target, name), "utf8"), "s3cret\n");
    t.equal(statSync(join(target, name)).mode & 0o777, 0o400);
  }
});

t.test("the directory is made anew: what was in it is gone", async (t) => {
  const { secret, target } = room(t);
  placeCredentials("a", target, { OLD: secret });
  writeFileSync(secret, "rotated");
  placeCredentials("a", target, { NEW: secret });
  t.same(readdirSync(target), ["NEW"]);
  t.equal(readFileSync(join(target, "NEW"), "utf8"), "rotated");
});

const refused: Readonly<Record<string, (root: string) => string>> = {
  "a missing file": (root) => join(root, "missing"),
  "a directory": (root) => root,
  "a FIFO, without waiting for a writer": (root) => {
    execFileSync("mkfifo", [join(root, "fifo")]);
    return join(root, "fifo");
  },
  "a file below a file": (root) => join(root, "secret", "x"),
  "a file of more than a megabyte": (root) => {
    writeFileSync(join(root, "large"), Buffer.alloc(1024 * 1024 + 1));
    return join(root, "large");
  },
  "a device": () => "/dev/zero",
};
for (const [what, make] of Object.entries(refused)) {
  t.test(`${what} is refused by code, naming file and credential, and nothing stays behind`, async (t) => {
    const { root, secret, target } = room(t);
    const file = make(root);
    t.throws(() => placeCredentials("a", target, { GOOD: secret, API_KEY: file }), {
      code: "AGENT_E_CREDENTIAL",
      where: file,
      message: /API_KEY/,
    });
    t.throws(() => statSync(target), { code: "ENOENT" });
  });
}

for (const name of ["", ".", "..", "../escape", "a/b", "nul\0"]) {
  t.test(`the credential name ${JSON.stringify(name)} is refused`, async (t) => {
    const { root, secret, target } = room(t);
    t.throws(() => placeCredentials("a", target, { [name]: secret }), { code: "AGENT_E_CREDENTIAL" });
    t.same(readdirSync(root).sort(), ["run", "secret"]);
  });
}

t.test("a directory that cannot be made is a failed start", async (t) => {
  const { root, secret } = room(t);
  t.throws(() => placeCredentials("a", join(secret, "below"), { API_KEY: secret }), {
    code: "AGENT_E_START_FAILED",
  });
  t.ok(root);
});

t.test("credentials of agents that are not alive are cleared away", async (t) => {
  const { root, secret } = room(t);
  const all = join(root, "all");
  for (const agent of ["alive", "gone"]) placeCredentials(agent, join(all, agent), { API_KEY: secret });
  removeOtherCredentials(all, new Set(["alive"]));
  t.same(readdirSync(all), ["alive"]);
  removeOtherCredentials(join(root, "missing"), new Set());
});
