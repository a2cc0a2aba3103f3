import t from "tap";
import { agentEnvironment } from "./environment.ts";
import { isAgentName, ownerOf, parseMarkers } from "./markers.ts";

const markers = { owner: "us", agent: "a", runId: "r1", digest: "d1" };
const base = {
  own: {},
  declared: {},
  markers,
  stateDirectory: "/state",
  checkpointDirectory: "/checkpoint",
  socket: "/run/api.sock",
  credentialsDirectory: null,
  proxyPort: null,
};
const daruma = {
  DARUMA_STATE_DIR: "/state",
  DARUMA_CHECKPOINT_DIR: "/checkpoint",
  DARUMA_SOCKET: "/run/api.sock",
  DARUMA_OWNER: "us",
  DARUMA_AGENT: "a",
  DARUMA_RUN_ID: "r1",
  DARUMA_DIGEST: "d1",
};

t.test("nothing of our own environment is passed on but the four that every program needs", async (t) => {
  const own = {
    PATH: "/bin",
    HOME: "/root",
    LANG: "C",
    TZ: "UTC",
    NPM_TOKEN: "secret",
    NODE_OPTIONS: "--inspect",
  };
  t.same(agentEnvironment({ ...base, own }), {
    PATH: "/bin",
    HOME: "/root",
    LANG: "C",
    TZ: "UTC",
    ...daruma,
  });
});

t.test("variables that we do not have are not made up", async (t) => {
  t.same(agentEnvironment({ ...base, own: { PATH: "/bin", TZ: undefined } }), { PATH: "/bin", ...daruma });
});

t.test("what is declared wins over ours, and Daruma's own over what is declared", async (t) => {
  const declared = { PATH: "/agent/bin", DARUMA_OWNER: "me", EXTRA: "=1" };
  t.same(agentEnvironment({ ...base, own: { PATH: "/bin" }, declared }), {
    PATH: "/agent/bin",
    EXTRA: "=1",
    ...daruma,
  });
});

t.test("the credentials directory is named only where there are credentials", async (t) => {
  const environment = agentEnvironment({ ...base, credentialsDirectory: "/run/cred" });
  t.equal(environment.CREDENTIALS_DIRECTORY, "/run/cred");
  t.notOk("CREDENTIALS_DIRECTORY" in agentEnvironment(base));
});

t.test("markers are read back from the environment block that they make", async (t) => {
  const block = Object.entries(agentEnvironment({ ...base, declared: { A: "b=c", EMPTY: "" } }))
    .map(([name, value]) => `${name}=${value}\0`)
    .join("");
  t.same(parseMarkers(block), markers);
});

t.test("an environment without all markers has none", async (t) => {
  const block = "DARUMA_OWNER=us\0DARUMA_AGENT=a\0DARUMA_RUN_ID=r1\0DARUMA_DIGEST=d1\0";
  t.not(parseMarkers(block), null);
  for (const name of ["OWNER", "AGENT", "RUN_ID", "DIGEST"]) {
    t.equal(parseMarkers(block.replace(`DARUMA_${name}=`, `OTHER_${name}=`)), null);
  }
  t.equal(parseMarkers(""), null);
  t.equal(parseMarkers(block.replace("AGENT=a", "AGENT=../../etc")), null);
});

t.test("a name that would be a path is no agent's", async (t) => {
  for (const name of ["", ".", "..", "a/b", "A", "-a", "a\0"]) t.notOk(isAgentName(name), name);
  for (const name of ["a", "etl-1", "enricher"]) t.ok(isAgentName(name), name);
});

t.test("different state directories have different owners", async (t) => {
  t.equal(ownerOf("/a"), ownerOf("/a"));
  t.not(ownerOf("/a"), ownerOf("/b"));
});

t.test("a confined agent is told of its proxy, in each way that programs look for it", async (t) => {
  const proxy = "http://127.0.0.1:21000";
  const environment = agentEnvironment({ ...base, proxyPort: 21_000, declared: { no_proxy: "mine" } });
  for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]) {
    t.equal(environment[name], proxy);
    t.equal(environment[name.toLowerCase()], proxy);
  }
  t.match(environment, { NODE_USE_ENV_PROXY: "1", NO_PROXY: /127\.0\.0\.1/, no_proxy: "mine" });
});
