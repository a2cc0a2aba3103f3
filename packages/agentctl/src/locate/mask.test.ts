import t from "tap";
import { maskSecrets } from "./mask.ts";

t.test("what may be a secret is hidden, and keeps its length", async (t) => {
  const hidden: readonly (readonly [string, string])[] = [
    ['token: "hunter2",', 'token: "•••••••",'],
    ['"DB_PASSWORD": "hunter2"', '"DB_PASSWORD": "•••••••"'],
    ["const apiKey = 'x1';", "const apiKey = '••';"],
    [`run("ghp_${"a".repeat(24)}", 1)`, `run("${"•".repeat(28)}", 1)`],
    ['url: "postgres://me:pw@db/x"', `url: "${"•".repeat("postgres://me:pw@db/x".length)}"`],
    ['API_KEY: "unterminated', 'API_KEY: "••••••••••••'],
  ];
  for (const [line, expected] of hidden) t.equal(maskSecrets(line), expected);
});

t.test("what is none stays", async (t) => {
  for (const line of [
    'command: [nixpkg("nodejs_24", "bin/node"), source("./token-service", "main.js")],',
    'credentials: { API_KEY: "/run/secrets/key" },',
    'health: { http: "http://127.0.0.1:8080/health" },',
    'environment: { LOG_LEVEL: "info" },',
  ])
    t.equal(maskSecrets(line), line);
});
