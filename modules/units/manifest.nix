# host.json (packages/config/src/manifest.ts): what a generation gives to watchd, and the digests by which it tells
# whether a deploy changed an agent.
{
  spec,
  # Text that stands for the rest of the host: see `hostSeed` in units.nix.
  rest,
}:
let
  inherit (builtins)
    attrNames
    attrValues
    concatLists
    elem
    filter
    hashString
    mapAttrs
    toJSON
    unsafeDiscardStringContext
    ;
  inherit (import ./measures.nix) bytes milliseconds;
  egress = import ./egress.nix;
  egressOf =
    agent:
    egress.policy {
      host = spec.egress;
      own = agent.egress;
    };
  ports = egress.proxyPorts {
    names = filter (name: egressOf spec.agents.${name} != null) (attrNames spec.agents);
    taken = filter (port: port != null) (
      map (rule: rule.forward or null) (
        concatLists (map (agent: if agent.egress == null then [ ] else agent.egress) (attrValues spec.agents))
      )
    );
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
      }
      # Nor is it where nothing is said about the body.
      // (
        if health.expect.contains == null && health.expect.json == { } then
          { }
        else
          { body = { inherit (health.expect) contains json; }; }
      );

  heartbeatPolicy =
    heartbeat:
    if heartbeat == null then
      null
    else
      {
        inherit (heartbeat) through;
        everyMs = milliseconds heartbeat.every;
        silenceMs = milliseconds heartbeat.silence;
      };

  orNull = read: value: if value == null then null else read value;

  resourcePolicy = resources: {
    memoryBytes = orNull bytes resources.memory;
    leak = orNull (leak: {
      growthBytes = bytes leak.growth;
      withinMs = milliseconds leak.within;
    }) resources.leak;
    inherit (resources) cpu openFiles tasks;
    ioBytesPerSecond = orNull bytes resources.io;
    latencyMs = orNull milliseconds resources.latency;
    sustainedMs = milliseconds resources.sustained;
    restartWithinMs = milliseconds resources.restartWithin;
  };

  # What else it is judged by; nothing where nothing is said, so that digests of an earlier release stay what they were.
  detectors =
    agent:
    (if agent.progress == null then { } else { progress.withinMs = milliseconds agent.progress.within; })
    // (if agent.resources == null then { } else { resources = resourcePolicy agent.resources; })
    // (if agent.dependencies == { } then { } else { inherit (agent) dependencies; });

  restartPolicy = restart: {
    inherit (restart) when attempts;
    backoff =
      (if restart.backoff.kind == "exponential" then { } else { inherit (restart.backoff) kind; })
      // {
      initialMs = milliseconds restart.backoff.initial;
      inherit (restart.backoff) factor jitter;
      maxMs = milliseconds restart.backoff.max;
    };
    withinMs = milliseconds restart.within;
  }
  // (if restart.exits == { } then { } else { inherit (restart) exits; });

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
  # Not where nothing is said about them: digests of an earlier release stay what they were.
  // (if agent.heartbeat == null then { } else { heartbeat = heartbeatPolicy agent.heartbeat; })
  // detectors agent
  // (
    let
      egress = egressOf agent;
    in
    if egress == null then { } else { inherit egress; }
  )
  // (if agent.fallback == null then { } else { fallback = fallbackSettings agent; });

  fallbackSettings = agent: {
    command = if agent.fallback.command == null then agent.command else agent.fallback.command;
    inherit (agent.fallback) environment;
  };

  agentManifest =
    name: agent:
    judged agent
    // {
      digest = hash (judged agent);
      heartbeat = heartbeatPolicy agent.heartbeat;
      restart = restartPolicy agent.restart;
      inherit (agent) required;
      # A fallback is there to be used: first, where nothing else is said.
      escalate =
        if agent.fallback == null || elem "fallback" agent.escalate then
          agent.escalate
        else
          [ "fallback" ] ++ agent.escalate;
      # Daruma's own port is in no digest.
      egress = if egressOf agent == null then null else egressOf agent // { port = ports.${name}; };
    }
    // (
      if agent.fallback == null then
        { }
      else
        {
          fallback = fallbackSettings agent // {
            digest = hash (judged agent // { inForce = "fallback"; });
          };
        }
    );
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
    inherit (spec.watchdog) rollbackBudget restartsAtOnce;
  };
  drift = {
    inherit (spec.drift) policy attempts ignore;
    everyMs = milliseconds spec.drift.every;
    storeEveryMs = milliseconds spec.drift.storeEvery;
    withinMs = milliseconds spec.drift.within;
  };
  agents = mapAttrs agentManifest spec.agents;
}
