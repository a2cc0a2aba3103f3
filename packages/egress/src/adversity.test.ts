import { once } from "node:events";
import type { Socket } from "node:net";
import { setTimeout as sleep, setImmediate as turn } from "node:timers/promises";
import t from "tap";
import { createLab, echo, eventually, type Lab, listen, readAll } from "./fixtures/lab.ts";

const here = ["127.0.0.1"];

/** That an agent whose rules and limits are its own goes on working. */
async function works(lab: Lab, agent: string, target: string): Promise<boolean> {
  const { socket, answer } = await lab.tunnel(agent, target);
  socket.end("still here");
  return answer.includes(" 200 ") && (await readAll(socket)) === "still here";
}

t.test(
  "clients that never finish, and thousands that come and go, are the agent's own problem",
  async (t) => {
    const server = await listen(t, echo);
    const rule = { host: "echo.test", port: server.port, private: true };
    const lab = await createLab(
      t,
      { bad: { egress: [rule], limits: { connections: 20 } }, good: { egress: [rule] } },
      { times: { headersMs: 300 } },
    );
    lab.dns.answers.set("echo.test", here);
    const target = `echo.test:${server.port}`;

    // Slowloris, in each protocol and at each point; and one that says nothing at all.
    const beginnings = [
      "",
      "G",
      "CONNECT echo",
      "GET http://echo.test/ HTTP/1.1\r\nA: b\r\n",
      "\x05",
      "\x05\x01\x00",
      "\x05\x01\x00\x05\x01",
    ];
    const slow = await Promise.all(beginnings.map(() => lab.client("bad")));
    const ended = slow.map((socket) => readAll(socket));
    for (const [index, socket] of slow.entries())
      socket.write(Buffer.from(beginnings[index] ?? "", "latin1"));
    t.ok(await works(lab, "good", target));
    await Promise.all(ended);

    const flood = `CONNECT ${target} HTTP/1.1\r\n${"X-Flood: yyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(2000)}\r\n`;
    t.match(await lab.exchange("bad", flood), /^HTTP\/1\.1 431 /);
    t.match(
      await lab.exchange("bad", `GET http://${target}/ HTTP/1.1\r\nHost: ${"y".repeat(20_000)}\r\n\r\n`),
      /^HTTP\/1\.1 431 /,
    );

    // Beyond its limits its connections are refused at once, or told that there are too many.
    const open: Socket[] = [];
    const answers: string[] = [];
    for (let index = 0; index < 25; index += 1) {
      const { socket, answer } = await lab.tunnel("bad", target);
      open.push(socket);
      answers.push(answer.split(" ", 2)[1] ?? "");
    }
    t.equal(answers.filter((status) => status === "200").length, 20);
    t.equal(answers.filter((status) => status === "503").length, 5);
    t.ok(await works(lab, "good", target));
    for (const socket of open) socket.destroy();
    await eventually("they are gone", () => lab.egressd.status().agents.bad?.connections === 0);

    // 10,000 in all.
    for (let round = 0; round < 100; round += 1) {
      const sockets = await Promise.all(Array.from({ length: 100 }, () => lab.client("bad")));
      for (const [index, socket] of sockets.entries()) {
        if (index % 2 === 0) socket.write(`CONNECT ${target} HTTP/1.1\r\n\r\n`);
        socket.destroy();
      }
    }
    t.ok(await works(lab, "good", target));
    // Connections that the kernel still holds in its queue count once they are accepted: none open at one instant is not
    // yet the end of them.
    while (!(await works(lab, "bad", target))) await turn();
    t.ok(await works(lab, "good", target));
    await eventually("none is left", () => lab.egressd.status().agents.bad?.connections === 0);
  },
);

t.test("names that hang, lie or are not there, and targets that are down", async (t) => {
  const server = await listen(t, echo);
  const egress = ["hangs", "echo", "gone", "empty"].map((name) => ({
    host: `${name}.test`,
    port: server.port,
    private: true,
  }));
  const down = { host: "echo.test", port: 1, private: true };
  const lab = await createLab(t, {
    aa: { egress: [...egress, down, { host: "many.test", port: 1, private: true }] },
  });
  lab.dns.answers.set("hangs.test", "silence").set("echo.test", here).set("empty.test", []);
  lab.dns.answers.set(
    "many.test",
    Array.from({ length: 100 }, (_, index) => `10.0.0.${index}`),
  );
  const hanging = Promise.all(
    Array.from({ length: 10 }, () => lab.tunnel("aa", `hangs.test:${server.port}`)),
  );
  t.ok(await works(lab, "aa", `echo.test:${server.port}`), "while ten wait for a name");
  const reasons = async (target: string) => (await lab.tunnel("aa", target)).answer.replace(/\s+/g, " ");
  for (const { answer } of await hanging) t.match(answer, /^HTTP\/1\.1 504 .*dns-timeout/s);
  t.equal(
    lab.dns.asked.filter((name) => name === "hangs.test").length < 10,
    true,
    "one question for all of them",
  );
  t.match(await reasons(`gone.test:${server.port}`), /502 .*no-such-name/);
  t.match(await reasons(`empty.test:${server.port}`), /502 .*no-such-name/);
  t.match(await reasons("many.test:1"), /502 .*dns-failed/);
  t.match(await reasons("echo.test:1"), /502 .*refused/);
  const failures = () =>
    lab.egressd.status().agents.aa?.failures.map(({ target, code }) => `${target} ${code}`) ?? [];
  t.ok(failures().includes("echo.test:1 refused"));
  t.ok(failures().includes(`hangs.test:${server.port} dns-timeout`));
  lab.dns.answers.set("hangs.test", here);
  t.ok(await works(lab, "aa", `hangs.test:${server.port}`));
  t.notOk(
    failures().includes(`hangs.test:${server.port} dns-timeout`),
    "what is reached again has not failed",
  );
  await eventually("the ledger knows", () => lab.entries.some(({ action }) => action === "egress.fail"));
});

t.test("a tunnel has an idle time and an amount, and a slow reader slows the sender down", async (t) => {
  const total = 48 * 1024 * 1024;
  const source = await listen(t, (socket) => {
    const chunk = Buffer.alloc(64 * 1024, 1);
    let left = total;
    const write = () => {
      while (left > 0) {
        left -= chunk.length;
        if (!socket.write(chunk)) return;
      }
      socket.end();
    };
    socket.on("drain", write);
    write();
  });
  const server = await listen(t, echo);
  const rule = (port: number) => ({ host: "up.test", port, private: true });
  const lab = await createLab(t, {
    idle: { egress: [rule(server.port)], limits: { idleMs: 150 } },
    small: { egress: [rule(server.port), rule(source.port)], limits: { bytes: 100_000 } },
    slow: { egress: [rule(source.port)] },
  });
  lab.dns.answers.set("up.test", here);

  const idle = await lab.tunnel("idle", `up.test:${server.port}`);
  t.equal(await readAll(idle.socket), "", "nothing came for too long");
  const small = await lab.tunnel("small", `up.test:${source.port}`);
  t.ok((await readAll(small.socket)).length <= 100_000);
  t.match(
    await lab.exchange("small", `GET http://up.test:${source.port}/ HTTP/1.0\r\n\r\n`),
    /^HTTP\/1\.1 502 /,
  );

  const slow = await lab.tunnel("slow", `up.test:${source.port}`);
  slow.socket.pause();
  const upstream = source.sockets.at(-1);
  if (upstream === undefined) throw new Error("nobody came");
  for (let before = -1; before !== upstream.bytesWritten; await sleep(50)) before = upstream.bytesWritten;
  // What the kernel buffers on two connections, and what egressd holds of it: one chunk.
  t.ok(upstream.bytesWritten < total, `stopped after ${upstream.bytesWritten} bytes`);
  let received = 0;
  slow.socket.on("data", (chunk: Buffer) => {
    received += chunk.length;
  });
  slow.socket.resume();
  await once(slow.socket, "end");
  t.equal(received, total, "and nothing of it is lost");
});

t.test("new rules cut what they do not allow any longer, and nothing else", async (t) => {
  const server = await listen(t, echo);
  const [kept, gone] = ["kept.test", "gone.test"].map((host) => ({ host, port: server.port, private: true }));
  const lab = await createLab(t, { aa: { egress: [kept, gone] }, bb: { egress: [gone] } });
  lab.dns.answers.set("kept.test", here).set("gone.test", here);
  const [stays, goes, leaves] = [
    await lab.tunnel("aa", `kept.test:${server.port}`),
    await lab.tunnel("aa", `gone.test:${server.port}`),
    await lab.tunnel("bb", `gone.test:${server.port}`),
  ];
  const cut = [readAll(goes.socket), readAll(leaves.socket)];
  await lab.setAgents({ aa: { egress: [kept] } });
  await Promise.all(cut);
  stays.socket.end("still joined");
  t.equal(await readAll(stays.socket), "still joined");
  t.match((await lab.tunnel("aa", `gone.test:${server.port}`)).answer, / 403 /);
  t.same(Object.keys(lab.egressd.status().agents), ["aa"]);
  const entry = lab.entries.find(({ action, details }) => action === "egress.rules" && details.cut !== 0);
  t.match(entry, { subject: "egressd", details: { agents: ["aa"], cut: 2 } });
  await lab.setAgents({ aa: { egress: [kept, gone], deny: ["kept.test"] } });
  t.match((await lab.tunnel("aa", `kept.test:${server.port}`)).answer, /"reason":"denied"/);
  await turn();
});

t.test("observe refuses nothing, and tells what it would have refused", async (t) => {
  const server = await listen(t, echo);
  const lab = await createLab(t, { aa: { egress: [] } }, { observe: true });
  lab.dns.answers.set("new.test", here);
  t.ok(await works(lab, "aa", `new.test:${server.port}`));
  const told = lab.entries.find(({ action }) => action === "egress.would-deny");
  t.match(told, { details: { target: `new.test:${server.port}`, reason: "not-allowed", rule: null } });
  t.equal(
    lab.entries.some(({ action }) => action === "egress.deny"),
    false,
  );
});
