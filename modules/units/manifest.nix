# host.json (packages/config/src/manifest.ts): what a generation gives to watchd, and the digests by which it tells
# whether a deploy changed an agent.
{
  spec,
  # Text that stands for the rest of the host: see `hostSeed` in units.nix.
  rest,
}:
let
  inherit (builtins)
    hashString
    mapAttrs
    toJSON
    unsafeDiscardStringContext
    ;
  inherit (import ./measures.nix) bytes milliseconds;
  egressOf =
    agent:
    (import ./egress.nix).policy {
      host = spec.egress;
      own = agent.egress;
    };

  # A digest names what it was made of and needs none of it to be built.
  hash = value: hashString "sha256" (unsafeDiscardStringContext (toJSON value));

  healthPolicy =
    health:
    if health == null then
      null
    else
      {
        url = health.http;
        everyMs = milliseconds health.every;
        withinMs = milliseconds health.expect.within;
        inherit (health.expect) status;
        inherit (health) failures;
      };

  restartPolicy = restart: {
    inherit (restart) when attempts;
    backoff = {
      initialMs = milliseconds restart.backoff.initial;
      inherit (restart.backoff) factor jitter;
      maxMs = milliseconds restart.backoff.max;
    };
    withinMs = milliseconds restart.within;
  };

  # All by which a deploy can change what an agent does or how that is judged. How often it is restarted, what comes
  # after that, and whether probation waits for it, are not in it: they cannot make an agent fail.
  judged = agent: {
    # Store paths: their hashes stand for everything that they refer to.
    inherit (agent)
      command
      environment
      workingDirectory
      credentials
      ;
    startupMs = milliseconds agent.startup;
    health = healthPolicy agent.health;
    limits.memoryBytes = if agent.limits.memory == null then null else bytes agent.limits.memory;
    stop = {
      inherit (agent.stop) signal;
      graceMs = milliseconds agent.stop.grace;
    };
  }
  # Not where nothing is said about it: digests of an earlier release stay what they were.
  // (
    let
      egress = egressOf agent;
    in
    if egress == null then { } else { inherit egress; }
  );

  agentManifest =
    agent:
    judged agent
    // {
      digest = hash (judged agent);
      restart = restartPolicy agent.restart;
      inherit (agent) escalate required;
      egress = egressOf agent;
    };
in
{
  schemaVersion = 1;
  inherit (spec) host system;
  hostDigest = hash {
    inherit (spec) host system;
    inherit rest;
  };
  watchdog = {
    probationMs = milliseconds spec.watchdog.probation;
    inherit (spec.watchdog) rollbackBudget;
  };
  agents = mapAttrs (_: agentManifest) spec.agents;
}
