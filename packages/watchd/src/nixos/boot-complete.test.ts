import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import t, { type Test } from "tap";
import { story } from "../policy/fixtures/story.ts";
import { createProvenFile } from "./proven-file.ts";

const program = join(import.meta.dirname, "boot-complete.sh");

/**
 * A machine that has booted `/one`, whose clock takes a file of steps instead of seconds: what each sleep of the program brings about.
 *
 * @param isReached whether boot-complete.target is active
 */
function lab(
  t: Test,
  options: { readonly current?: string; readonly isReached?: boolean; readonly steps?: string },
) {
  const root = realpathSync(t.testdir({ bin: {} }));
  const at = (name: string) => join(root, name);
  for (const name of ["one", "two"]) mkdirSync(at(name));
  symlinkSync("one", at("booted"));
  symlinkSync(options.current ?? "one", at("current"));
  const bin = (name: string, text: string) =>
    writeFileSync(at(`bin/${name}`), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  bin("systemctl", options.isReached === true ? "exit 0" : "exit 3");
  bin("sleep", `cd ${root}\necho >>slept\n${options.steps ?? "exit 1"}`);
  const wait = async () => {
    const child = spawn("sh", [program, at("proven"), at("current"), at("booted")], {
      env: { PATH: `${at("bin")}${delimiter}${process.env.PATH}` },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    const [status] = await once(child, "close");
    const slept = existsSync(at("slept")) ? readFileSync(at("slept"), "utf8").length : 0;
    return { status, stderr, slept };
  };
  return { root, at, wait };
}

t.test("it waits until watchd has found the generation good that was booted", async (t) => {
  const { wait } = lab(t, { steps: `[ "$(wc -l <slept)" -lt 3 ] || echo "$PWD/one" >proven` });
  t.same(await wait(), { status: 0, stderr: "", slept: 3 });
});

t.test("that another generation is good says nothing about the one that was booted", async (t) => {
  const steps = `[ "$(wc -l <slept)" -lt 2 ] && echo "$PWD/two" >proven || ln -sfn two current`;
  const { status, stderr } = await lab(t, { steps }).wait();
  t.equal(status, 1);
  t.match(stderr, /one was booted, and .*two runs: the boot cannot be judged any more/);
});

t.test("a boot that was judged is not judged again", async (t) => {
  t.same(await lab(t, { isReached: true, current: "two" }).wait(), { status: 0, stderr: "", slept: 0 });
});

t.test(
  "a boot is good once what runs is known-good and every required agent was healthy in it",
  async (t) => {
    const file = join(t.testdir({}), "proven");
    const proven = createProvenFile(file);
    const s = story({ agents: { a: "a-1", b: "b-1" } }).healthy("a", "b");
    await proven.keep(s.state);
    t.notOk(existsSync(file), "it is on probation");
    await proven.keep(s.wait(60_000).state);
    t.equal(readFileSync(file, "utf8"), "/one\n");

    const again = join(t.testdir({}), "again");
    const afterBoot = createProvenFile(again);
    s.reboot();
    await afterBoot.keep(s.state);
    t.notOk(existsSync(again), "that it was good before says nothing about this boot");
    await afterBoot.keep(s.healthy("a", "b").state);
    t.equal(readFileSync(again, "utf8"), "/one\n");
  },
);
