import fc from "fast-check";
import t from "tap";
import {
  agentNameProblem,
  credentialNameProblem,
  hostNameProblem,
  maxAgentNameLength,
  variableNameProblem,
} from "./names.ts";

t.test("an agent's name has 2 to 28 of the allowed characters", async (t) => {
  for (const name of ["ab", "etl-01", "a0", "a".repeat(28), "a--b"])
    t.equal(agentNameProblem(name), undefined);
  for (const name of ["", "a", "A1", "1a", "a-", "-a", "a_b", "a b", "ab\n", "é1", "a".repeat(29)]) {
    t.not(agentNameProblem(name), undefined, JSON.stringify(name));
  }
});

t.test("a name that is too long is told the limit", async (t) => {
  t.match(agentNameProblem("a".repeat(29)), String(maxAgentNameLength));
  t.match(hostNameProblem("a".repeat(64)), "63");
});

t.test("every allowed agent name fits a NixOS user name with its prefix", async () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z][a-z0-9-]{0,26}[a-z0-9]$/), (name) => {
      return agentNameProblem(name) === undefined && `da-${name}`.length <= 31;
    }),
  );
});

t.test("a host's name is a DNS label in lower case", async (t) => {
  for (const name of ["a", "1", "etl-01", "0a", "a".repeat(63)])
    t.equal(hostNameProblem(name), undefined, JSON.stringify(name));
  for (const name of ["", "-a", "a-", "A", "a.b", "a_b", "..", "a/b", "a".repeat(64), "__proto__"]) {
    t.not(hostNameProblem(name), undefined, JSON.stringify(name));
  }
});

t.test("variables that Daruma or systemd set are reserved, PATH is not", async (t) => {
  for (const name of ["PATH", "_x", "HOME", "DARUMA"])
    t.equal(variableNameProblem(name), undefined, JSON.stringify(name));
  for (const name of ["DARUMA_SOCKET", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "__proto__"]) {
    t.not(variableNameProblem(name), undefined, JSON.stringify(name));
  }
  for (const name of ["", "1A", "A=B", "A-B", "A B", "A\n", "É"])
    t.not(variableNameProblem(name), undefined, JSON.stringify(name));
});

t.test("a credential's name is a plain file name", async (t) => {
  for (const name of ["API_KEY", "api.key-1", "0"])
    t.equal(credentialNameProblem(name), undefined, JSON.stringify(name));
  for (const name of ["", ".", "..", ".a", "a/b", "a:b", "a b", "a\n", "__proto__", "a".repeat(256)]) {
    t.not(credentialNameProblem(name), undefined, JSON.stringify(name));
  }
});
