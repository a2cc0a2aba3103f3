const { execFile } = require("node:child_process");
const { createServer, request } = require("node:http");

/* Answers with its process. Told to (/leak), it begins to leak; where it has the socket of an agent, it says when it has no /work. */

const leakMsPerMib = 100;
const quietMs = 100;
/** Half of the time that whoever sends work rests: a restart may begin at the end of it. */
const idleMs = 1_000;
const leaked = [];
let isLeaking = false;
let quiet;
let isIdle = false;

const server = createServer((incoming, response) => {
  if (incoming.url === "/leak" && !isLeaking) {
    isLeaking = true;
    setInterval(() => leaked.push(Buffer.alloc(1_048_576, 1)), leakMsPerMib);
  }
  if (incoming.url === "/work") noteWork();
  const known = ["/health", "/leak", "/work"].includes(incoming.url);
  response.writeHead(known ? 200 : 404).end(String(process.pid));
});
server.listen(Number(process.env.PORT), "127.0.0.1", () => process.stdout.write("ready\n"));

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => server.close(() => process.exit(0)));

// As a program does it that has no library for systemd: sd_notify(3), systemd-notify(1).
if (process.env.WATCHDOG_USEC !== undefined)
  setInterval(
    () => execFile("systemd-notify", ["WATCHDOG=1"], () => undefined),
    Number(process.env.WATCHDOG_USEC) / 4_000,
  );

function noteWork() {
  if (process.env.DARUMA_SOCKET === undefined) return;
  if (isIdle) tellIdle(0);
  clearTimeout(quiet);
  quiet = setTimeout(() => tellIdle(idleMs), quietMs);
}

function tellIdle(forMs) {
  isIdle = forMs > 0;
  const options = { socketPath: process.env.DARUMA_SOCKET, path: "/v1/idle", method: "POST" };
  const told = request(options, (response) => response.resume());
  told.on("error", () => undefined).end(JSON.stringify({ forMs }));
}
