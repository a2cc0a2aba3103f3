/** Somebody changes a host behind the back of its generation. */
import { agent, entries, entry, healthy, lastEntry, until } from "./daruma.ts";
import { build, deploy, setProfile, switchTo } from "./deploy.ts";
import { fleet } from "./fixtures/fleets.ts";
import type { Host } from "./host.ts";
import { scenario } from "./scenario.ts";

const unit = "daruma-agent-web.service";
const override = `/run/systemd/system/${unit}.d/override.conf`;
const hook = "/etc/daruma/bin/stop-hook";
const table = "table inet daruma_egress";

const agents = { web: { fields: { egress: ["api.example.com:443"] } } };
// Each look costs more than all that is waited for.
const drift = { every: "4s", storeEvery: "1h", attempts: 2 };

/** As a person does it, with a secret in it. */
const edit = `
  mkdir -p ${override.slice(0, override.lastIndexOf("/"))}
  printf '[Service]\\nNice=7\\nEnvironment=TOKEN=s3cret\\n' >${override}
  systemctl daemon-reload && systemctl restart ${unit}`;

async function codeOf(host: Host): Promise<string> {
  const command = await host.succeed(
    `tr '\\0' '\\n' </proc/$(systemctl show --value -p MainPID ${unit})/cmdline`,
  );
  return command.trim().split("\n").at(-1) ?? "";
}

scenario(
  "What somebody changes on a host is found, named and put right, and nothing is touched where the policy is to report",
  async (host, t) => {
    const plan = (policy: string) => fleet({ agents, drift: { ...drift, policy } });
    // Before anything is damaged: the same generation, but for the policy.
    const correcting = await build(host, plan("correct"));
    await deploy(host, plan("report"));
    await healthy(host, "web");
    t.match(await host.succeed("agentctl drift"), "nothing differs");

    const file = await codeOf(host);
    const path = file.slice(0, file.lastIndexOf("/"));
    const original = await host.readFile(file);
    // Where a damaged path can be had from again.
    const nix = "nix --extra-experimental-features nix-command";
    await host.succeed(`${nix} copy --to 'file:///root/cache?compression=none' ${path}`);
    const settings = "substitute = true\nsubstituters = file:///root/cache\nrequire-sigs = false\n";
    await host.succeed(`printf '${settings.replaceAll("\n", "\\n")}' >>/etc/nix/nix.conf`);

    const before = await lastEntry(host);
    const damage = `echo '// changed' >>${file}`;
    await host.succeed(`${edit} && rm ${hook} && ${damage} && nft flush ruleset`);
    for (const subject of [override, hook, path, table]) {
      const found = await entry(host, { action: "drift.found", subject, after: before });
      t.match(found.details, { policy: "report" }, subject);
    }
    await host.waitUntilSucceeds(`nft list ${table}`, {});
    const shown = await host.exec("agentctl drift");
    t.equal(shown.exitCode, 1);
    for (const named of [override, "+ Nice=7", hook, path, "was modified"]) t.match(shown.stdout, named);
    t.equal(await host.succeed(`cat ${override} | head -n 2`), "[Service]\nNice=7\n");
    t.equal((await host.exec(["test", "-L", hook])).exitCode, 1);
    t.match(await host.readFile(file), "// changed");
    const told = (await entries(host)).filter(({ action }) => action.startsWith("drift."));
    t.same(
      told.filter(({ action }) => action.startsWith("drift.correct")).map(({ subject }) => subject),
      [table],
      "the wall is put back by its own watcher, whatever the policy; nothing else is touched",
    );
    t.notMatch(JSON.stringify(told) + shown.stdout, "s3cret");

    const deployed = await lastEntry(host);
    await setProfile(host, correcting);
    t.equal((await switchTo(host, correcting, "switch")).exitCode, 0);
    for (const subject of [override, path]) {
      const { details } = await entry(host, { action: "drift.corrected", subject, after: deployed });
      t.ok(Number(details.tookMs) < 30_000, `${subject}: ${details.tookMs} ms`);
    }
    t.equal(await host.readFile(file), original);
    t.equal(
      await host.succeed(`cat /var/lib/daruma/watchd/set-aside/*/*override.conf | grep -c s3cret`),
      "1\n",
    );
    await healthy(host, "web");
    t.not(await host.succeed(`systemctl show --value -p Nice ${unit}`), "7\n");
    t.match(await agent(host, "web"), { phase: "healthy", held: false });

    // The switch has put the link back. Somebody takes it away again and again, once in the midst of their own switch.
    const corrected = async (after: number) => {
      await entry(host, { action: "drift.corrected", subject: hook, after });
      await host.succeed(["test", "-L", hook]);
    };
    await host.succeed(["test", "-L", hook]);
    let last = await lastEntry(host);
    await host.succeed(["rm", hook]);
    await corrected(last);
    last = await lastEntry(host);
    await host.succeed(
      `rm ${hook} && flock --no-fork /run/nixos/switch-to-configuration.lock sleep 3 && test ! -e ${hook}`,
    );
    await corrected(last);
    last = await lastEntry(host);
    await host.succeed(["rm", hook]);
    await entry(host, { action: "drift.hold", subject: hook, after: last });
    t.match(await entry(host, { action: "alert.raise", subject: hook, after: last }), {
      details: { kind: "drift" },
    });
    t.equal((await host.exec(["test", "-L", hook])).exitCode, 1, "it is left");
    const held = JSON.parse((await host.exec("agentctl drift --json")).stdout);
    t.match(held.differences, [{ at: hook, held: true, corrections: 2 }]);
    t.match(await host.succeed("agentctl drift --fix"), "nothing differs");
    await host.succeed(["test", "-L", hook]);
    const { details } = await until("who put it right", async () =>
      (await entries(host)).findLast(
        ({ action, subject }) => action === "drift.corrected" && subject === hook,
      ),
    );
    t.match(details, { by: "operator" });
  },
  { timeoutMs: 300_000 },
);
