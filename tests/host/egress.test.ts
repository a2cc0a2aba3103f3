/** What an agent may reach, kept by the kernel: with real sockets, from inside the real sandbox, as the agent's own user. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { proxyPorts } from "@daruma/config";
import { egress, entries, healthy, lastEntry, until } from "./daruma.ts";
import { deploy } from "./deploy.ts";
import { runs, world } from "./fixtures/egress.ts";
import { fleet } from "./fixtures/fleets.ts";
import { scenario } from "./scenario.ts";

/** Enough of a PostgreSQL server for psql; the one of egressd's own tests. */
const databaseModule = fileURLToPath(
  new URL("../../packages/egress/src/fixtures/postgres.ts", import.meta.url),
);
const forwards = { text: 15_431, database: 15_432 };
const ports = proxyPorts(["web", "other"], new Set(Object.values(forwards)));
const [own, others] = [ports.get("web") ?? 0, ports.get("other") ?? 0];
const outside = { v4: "198.51.100.1", v6: "2001:db8::1", metadata: "169.254.169.254" };

const tcp = (address: string, port: number) => `exec 3<>/dev/tcp/${address}/${port} && head -c 64 <&3`;
const udp = (address: string, port: number) =>
  `exec 3<>/dev/udp/${address}/${port} && echo knock >&3 && timeout 2 head -c 5 <&3`;
/** curl that leaves the proxy out. */
const direct = (url: string) => `curl -sS -m 5 --noproxy "*" "${url}"`;
const proxied = (...args: readonly string[]) =>
  `curl -sS -m 5 -w "%{http_connect} %{http_code}" -x http://127.0.0.1:${own} ${args.join(" ")}`;
const wget = (...args: readonly string[]) => `wget --tries=1 --timeout=5 -qO- ${args.join(" ")}`;
const git = (url: string) => `GIT_TERMINAL_PROMPT=0 git ls-remote ${url}`;
const psql = (port: number) => `psql -X -At -h 127.0.0.1 -p ${port} -U agent -c "select greeting" db`;
const perl = (script: string) => `perl -MSocket -e '${script}'`;
const node = (script: string) => `NODE_USE_ENV_PROXY= "$NODE" -e '${script}'`;

/** Ways to the world that are open to an agent without rules: the same command is the control. */
const closed: Readonly<Record<string, string>> = {
  "TCP to HTTPS": tcp(outside.v4, 443),
  "TCP to HTTP": tcp(outside.v4, 80),
  "TCP to SSH": tcp(outside.v4, 22),
  "DNS over TCP": tcp(outside.v4, 53),
  "DNS over UDP": udp(outside.v4, 53),
  "NTP over UDP": udp(outside.v4, 123),
  "QUIC's port over UDP": udp(outside.v4, 443),
  "TCP over IPv6": tcp(outside.v6, 443),
  "DNS over TCP over IPv6": tcp(outside.v6, 53),
  "DNS over UDP over IPv6": udp(outside.v6, 53),
  "TCP through an IPv6 address that wraps an IPv4 address": node(
    `require("net").connect(443, "::ffff:${outside.v4}").on("data", (d) => { console.log(String(d)); process.exit(0) }).on("error", () => process.exit(1))`,
  ),
  "the metadata service": tcp(outside.metadata, 80),
  "the metadata service, by curl": direct(`http://${outside.metadata}/latest/meta-data/`),
  "a service of this host on loopback": tcp("127.0.0.1", 9000),
  "another address of loopback": tcp("127.0.0.2", 9000),
  "the loopback address of IPv6": tcp("::1", 9000),
  "the unspecified address": tcp("0.0.0.0", 9000),
  "another agent's server": tcp("127.0.0.1", 8081),
  "curl without a proxy": direct(`http://${outside.v4}/`),
  "curl without a proxy, by name": direct("http://evil.test/"),
  "curl without a proxy, to what is allowed": direct("http://allowed.test:9000/"),
  "curl from another source address": `${direct(`http://${outside.v4}/`)} --interface 127.0.0.1`,
  "wget without a proxy": wget("--no-proxy", `http://${outside.v4}/`),
  "git without a proxy": `http_proxy= ${git("http://allowed.test:9002/repo")}`,
  "psql without a forward": psql(5432),
  "Node's fetch without a proxy": node(
    `fetch("http://${outside.v4}/").then((r) => r.text()).then((text) => console.log(text), () => process.exit(1))`,
  ),
  "Node's datagrams": node(
    `const s = require("dgram").createSocket("udp4"); s.on("message", (m) => { console.log(String(m)); process.exit(0) }); s.on("error", () => process.exit(1)); s.send("knock", 53, "${outside.v4}"); setTimeout(() => process.exit(1), 2000)`,
  ),
  "a socket of another address family's mapping, by Perl": perl(
    `socket(S, AF_INET, SOCK_STREAM, 0) or die; connect(S, sockaddr_in(443, inet_aton("${outside.v4}"))) or die $!; print scalar <S>`,
  ),
};

/** Ways that are closed to every agent, or that lead through the proxy. */
const refused: Readonly<Record<string, string>> = {
  "a raw socket": perl("socket(S, AF_INET, SOCK_RAW, 1) or exit 1; print qq(hello)"),
  "a packet socket": perl("socket(S, 17, SOCK_RAW, 768) or exit 1; print qq(hello)"),
  "an AF_VSOCK socket": perl("socket(S, 40, SOCK_STREAM, 0) or exit 1; print qq(hello)"),
  "a namespace of its own": "unshare --user --net --map-root-user echo hello",
  "another user": "setpriv --reuid 0 --clear-groups echo hello",
  "flushing the rules": "/usr/sbin/nft flush ruleset && echo hello",
  "stopping the wall": "systemctl stop daruma-egress-wall && echo hello",
  "a unit outside the sandbox": "systemd-run --wait true && echo hello",
  "the bus": "busctl list >/dev/null && echo hello",
  "another agent's proxy": tcp("127.0.0.1", others),
  "egressd's own socket":
    "curl -sS -m 5 --unix-socket /run/daruma-egress/egressd.sock http://x/v1/status && echo hello",
  "egressd's way to the ledger":
    "curl -sS -m 5 --unix-socket /run/daruma/ledger-egressd/egressd.sock http://x/v1/status && echo hello",
};

const proxyRefuses: Readonly<Record<string, readonly [command: string, status: RegExp]>> = {
  "a name that is on no list": [proxied("http://evil.test/"), /^000 403/m],
  "a tunnel to a name that is on no list": [proxied("https://evil.test/"), /^403 000/m],
  "another port of an allowed name": [proxied("http://allowed.test:9001/"), /^000 403/m],
  "an address": [proxied(`http://${outside.v4}/`), /^000 403/m],
  "an address in another spelling": [proxied("http://0x7f.1:9000/"), /^000 403/m],
  "the metadata service": [proxied(`http://${outside.metadata}/`), /^000 403/m],
  "a name that leads to what is not public": [proxied("http://public.test/"), /^000 403/m],
  "the proxy itself": [proxied(`http://127.0.0.1:${own}/`), /^000 403/m],
  "TLS that asks for another host": [
    proxied("-k", "--connect-to", "evil.test:443:tls.test:443", "https://evil.test/"),
    /^200 000/m,
  ],
  "git, to a name that is on no list": [git("http://evil.test/repo"), /403/],
  "git over TLS, to a name that is on no list": [git("https://evil.test/repo"), /403/],
  "wget, to a name that is on no list": [
    wget("--content-on-error", "http://evil.test/"),
    /Ask the operator to add/,
  ],
  "plain HTTP where TLS is to be spoken": [proxied("http://tls.test:443/"), /^000 403/m],
  "SOCKS to an address": [
    `curl -sS -m 5 -w "%{http_code}" -x socks5h://127.0.0.1:${own} http://${outside.v4}/`,
    /^000/m,
  ],
};

const allowed: Readonly<Record<string, string>> = {
  "curl, told of the proxy by its environment": "curl -sS -m 5 http://allowed.test:9000/",
  "curl through a tunnel": "curl -sS -m 5 --proxytunnel http://allowed.test:9000/",
  "curl through SOCKS": `curl -sS -m 5 -x socks5h://127.0.0.1:${own} http://allowed.test:9000/`,
  "Node's fetch": `"$NODE" -e 'fetch("http://allowed.test:9000/").then((r) => r.text()).then(console.log)'`,
  wget: wget("http://allowed.test:9000/"),
  git: git("http://allowed.test:9002/repo"),
  "psql, through a forward": psql(forwards.database),
  "a forward, without any proxy protocol": tcp("127.0.0.1", forwards.text),
};

scenario("A confined agent reaches what its list names, and nothing else, by any route", async (host, t) => {
  const database = "/root/postgres.ts";
  await host.writeFile(database, await readFile(databaseModule, "utf8"));
  await host.writeFile("/root/world.cjs", world({ ...outside, database }));
  await host.writeFile(
    "/etc/hosts",
    `127.0.0.1 localhost allowed.test tls.test db.test public.test\n${outside.v4} evil.test\n`,
  );
  await deploy(
    host,
    fleet({
      agents: {
        web: {
          code: runs,
          fields: {
            egress: [
              { host: "allowed.test", port: 9000, private: true },
              { host: "tls.test", port: 443, private: true },
              { host: "allowed.test", port: 9002, private: true },
              { host: "db.test", port: 9000, private: true, forward: forwards.text },
              {
                host: "db.test",
                port: 5432,
                private: true,
                protocol: "postgres",
                forward: forwards.database,
              },
              "public.test:80",
            ],
          },
        },
        other: { code: runs, fields: { egress: [] } },
        free: { code: runs },
      },
    }),
  );
  await host.succeed(
    `ip address add ${outside.v4}/32 dev lo && ip address add ${outside.metadata}/32 dev lo && ip -6 address add ${outside.v6}/128 dev lo && ` +
      `systemd-run --unit=world --service-type=notify --property=NotifyAccess=all /nix/var/nix/gcroots/test-host-nodejs_24/bin/node /root/world.cjs`,
  );
  for (const name of ["web", "other", "free"]) await healthy(host, name);

  /** Waits until it is proven of both agents that the wall holds. */
  const proven = async (after: number) => {
    for (const subject of ["web", "other"]) {
      // On a busy machine one may be unclear, and is made again; none finds a way out.
      const tests = await until(`a test of ${subject} passes`, async () => {
        const found = (await entries(host)).filter(
          (each) => each.seq > after && each.action === "egress.self-test" && each.subject === subject,
        );
        return found.some(({ details }) => details.outcome === "passed") ? found : undefined;
      });
      t.notOk(
        tests.some(({ details }) => details.outcome === "open"),
        `${subject} is behind the wall`,
      );
    }
    t.match(await egress(host), { web: { enforced: true }, other: { enforced: true } });
  };
  await proven(0);
  t.equal((await egress(host))?.free, undefined);

  /** All commands in one go, inside the agent: what each printed, and how it ended. */
  const inside = async (port: number, commands: Readonly<Record<string, string>>) => {
    const input = JSON.stringify(Object.values(commands));
    const answer = await host.succeed(`curl -sS --fail --data-binary @- http://127.0.0.1:${port}/run`, {
      input,
    });
    const results = JSON.parse(answer) as { readonly code: number; readonly output: string }[];
    return new Map(Object.keys(commands).map((name, index) => [name, results[index]]));
  };
  const [web, free] = [8080, 8082];

  const control = await inside(free, closed);
  for (const [name, result] of control)
    t.match(result?.output, /hello/, `open to an agent without rules: ${name}`);
  const walled = await inside(web, { ...closed, ...refused });
  for (const [name, result] of walled) {
    t.notMatch(result?.output, /hello/, `closed: ${name}`);
    t.not(result?.code, 0, `and the client knows: ${name}`);
  }
  const through = await inside(
    web,
    Object.fromEntries(Object.entries(proxyRefuses).map(([name, [command]]) => [name, command])),
  );
  for (const [name, [, status]] of Object.entries(proxyRefuses))
    t.match(through.get(name)?.output, status, `refused by the proxy: ${name}`);
  for (const [name, result] of await inside(web, allowed))
    t.match(result?.output, /hello/, `allowed: ${name}`);
  t.equal(
    (await host.exec(tcp("127.0.0.1", own))).exitCode === 0,
    false,
    "root has no business on an agent's port",
  );
  t.notMatch(
    (await inside(free, { knock: tcp("127.0.0.1", own) })).get("knock")?.output,
    /HTTP/,
    "nor has another agent",
  );
  for (const reason of ["not-allowed", "address-not-public", "sni-mismatch", "wrong-protocol"]) {
    await until(`the ledger tells of ${reason}`, async () =>
      (await entries(host)).find(
        ({ action, details }) => action === "egress.deny" && details.reason === reason,
      ),
    );
  }

  // Somebody flushes the rules, or makes a hole in them: they are back.
  const stands =
    "nft list table inet daruma_egress | grep -q agent-web && ! nft list table inet daruma_egress | grep -q 198.51.100.1";
  const flushed = await lastEntry(host);
  await host.succeed("nft flush ruleset");
  await host.waitUntilSucceeds(stands);
  await proven(flushed);
  // Also in the moment in which nobody listens to the kernel.
  await host.succeed("pkill --exact nft; nft flush ruleset");
  await host.waitUntilSucceeds(stands);
  await host.succeed(`nft insert rule inet daruma_egress agent-web ip daddr ${outside.v4} accept`);
  await host.waitUntilSucceeds(stands);
  t.notMatch((await inside(web, { again: tcp(outside.v4, 443) })).get("again")?.output, /hello/);
  await host.waitUntilSucceeds("systemctl is-active daruma-agent-web");

  // Rules that have a hole from the start are as they were loaded: only the self-test finds it, and closes everything.
  const gone = "! systemctl is-active daruma-agent-web && ! systemctl is-active daruma-agent-other";
  const broken = await lastEntry(host);
  const rules = (await host.succeed("readlink -f /etc/daruma/egress.nft")).trim();
  await host.succeed(
    `sed '/chain agent-web {/a meta l4proto udp accept' ${rules} >/run/hole.nft && ln -sfn /run/hole.nft /etc/daruma/egress.nft && ` +
      "systemctl reload daruma-egress-wall",
  );
  const found = await until("the self-test finds the hole", async () =>
    (await entries(host)).find(
      ({ seq, action, details }) =>
        seq > broken && action === "egress.self-test" && details.outcome === "open",
    ),
  );
  t.match(found, {
    subject: "web",
    details: { problems: [/^open: UDP to a service of this host over IPv4/, /^open: UDP .*IPv6/] },
  });
  await host.waitUntilSucceeds(gone);
  await until("the wall is gone as well, and nothing is said to be enforced", async () => {
    const { web, other } = (await egress(host)) ?? {};
    return web?.proof.state === "open" && other?.proof.state === "untested" ? true : undefined;
  });
  t.equal((await host.exec("agentctl egress status")).exitCode, 3);
  await host.succeed(
    `ln -sfn ${rules} /etc/daruma/egress.nft && systemctl start daruma-agent-web daruma-agent-other`,
  );

  // Where they cannot be put back, agents that need them stop; the one that does not goes on.
  await host.succeed("ln -sfn /nowhere /etc/daruma/egress.nft && nft flush ruleset");
  await host.waitUntilSucceeds(gone);
  await host.succeed("systemctl is-active daruma-agent-free");
});
