// Loads $RECORDS records one by one, and remembers after each tenth how far it is. Its first attempt stops before record $HALT, and waits
// for whatever comes. It ends no sooner than /run/gate is there.
const {
  appendFileSync,
  existsSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} = require("node:fs");
const { request } = require("node:http");
const { connect } = require("node:net");
const { DARUMA_CHECKPOINT_DIR, DARUMA_STATE_DIR, DARUMA_SOCKET, DARUMA_ATTEMPT, DARUMA_INPUT } = process.env;
const records = Number(process.env.RECORDS);
const halt = Number(process.env.HALT);
const rows = `${DARUMA_STATE_DIR}/rows`;
const mark = `${DARUMA_CHECKPOINT_DIR}/next`;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const past = () =>
  new Promise((resolve) => {
    connect(22022, "127.0.0.1")
      .on("connect", () => resolve("open"))
      .on("error", ({ code }) => resolve(code));
  });
const tell = (counts) =>
  new Promise((resolve) => {
    const asked = request({ socketPath: DARUMA_SOCKET, method: "POST", path: "/v1/result" }, (answer) => {
      answer.resume().on("end", () => resolve(answer.statusCode));
    });
    asked.on("error", ({ code }) => resolve(code)).end(JSON.stringify(counts));
  });
(async () => {
  console.log(`past the proxy: ${await past()}`);
  writeFileSync("/tmp/scratch", "", { flag: "wx" });
  const [next, size] = existsSync(mark) ? JSON.parse(readFileSync(mark, "utf8")) : [0, 0];
  ftruncateSync(openSync(rows, "a+"), size);
  console.log(`attempt ${DARUMA_ATTEMPT} of ${readFileSync(DARUMA_INPUT, "utf8")} goes on at ${next}`);
  let bytes = size;
  for (let at = next; at < records; at += 1) {
    if (at === halt && DARUMA_ATTEMPT === "1") await pause(1e9);
    const row = `record ${at}\n`;
    appendFileSync(rows, row);
    bytes += row.length;
    if ((at + 1) % 10 > 0) continue;
    writeFileSync(`${mark}.new`, JSON.stringify([at + 1, bytes]));
    renameSync(`${mark}.new`, mark);
  }
  console.log(`told: ${await tell({ loaded: records })}`);
  while (!existsSync("/run/gate")) await pause(20);
})();
