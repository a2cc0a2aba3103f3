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
    listToAttrs
    mapAttrs
    toJSON
    unsafeDiscardStringContext
    ;
  inherit (import ./measures.nix) bytes milliseconds;
  egress = import ./egress.nix;
  inherit (import ./paths.nix) routineSubject;
  alerts = import ./alerts.nix spec;
  egressOf =
    agent:
    egress.policy {
      host = spec.egress;
      own = agent.egress;
    };
  bySubject =
    spec.agents
    // listToAttrs (
      map (name: {
        name = routineSubject name;
        value = spec.routines.${name};
      }) (attrNames spec.routines)
    );
  ports = egress.proxyPorts {
    names = filter (name: egressOf bySubject.${name} != null) (attrNames bySubject);
    taken = filter (port: port != null) (
      map (rule: rule.forward or null) (
        concatLists (map (each: if each.egress == null then [ ] else each.egress) (attrValues bySubject))
      )
    );
  };
  # Daruma's own port is in no digest.
  withPort = subject: each: if egressOf each == null then null else egressOf each // { port = ports.${subject}; };

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

  backoffPolicy =
    backoff:
    (if backoff.kind == "exponential" then { } else { inherit (backoff) kind; })
    // {
      initialMs = milliseconds backoff.initial;
      inherit (backoff) factor jitter;
      maxMs = milliseconds backoff.max;
    };

  resourcePolicy = resources: {
    memoryBytes = bytesOrNull resources.memory;
    leak =
      if resources.leak == null then
        null
      else
        {
          growthBytes = bytes resources.leak.growth;
          withinMs = milliseconds resources.leak.within;
        };
    inherit (resources) cpu openFiles tasks;
    ioBytesPerSecond = bytesOrNull resources.io;
    latencyMs = millisecondsOrNull resources.latency;
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
    backoff = backoffPolicy restart.backoff;
    withinMs = milliseconds restart.within;
  }
  // (if restart.exits == { } then { } else { inherit (restart) exits; });

  # All by which a deploy can change what an agent does or how that is judged. How often it is restarted, what comes
  # after that, and whether probation waits for it, are not in it: they cannot make an agent fail.
  judged =
    agent:
    run agent
    // {
      startupMs = milliseconds agent.startup;
      health = healthPolicy agent.health;
    }
    # Not where nothing is said about them: digests of an earlier release stay what they were.
    // (if agent.heartbeat == null then { } else { heartbeat = heartbeatPolicy agent.heartbeat; })
    // detectors agent
    // (if agent.fallback == null then { } else { fallback = fallbackSettings agent; });

  fallbackSettings = agent: {
    command = if agent.fallback.command == null then agent.command else agent.fallback.command;
    inherit (agent.fallback) environment;
  };

  # How a program runs: all that is in the digest of a routine.
  run =
    program:
    {
      # Store paths: their hashes stand for everything that they refer to.
      inherit (program)
        command
        environment
        workingDirectory
        credentials
        ;
      limits.memoryBytes = bytesOrNull program.limits.memory;
      stop = {
        inherit (program.stop) signal;
        graceMs = milliseconds program.stop.grace;
      };
    }
    // (
      let
        egress = egressOf program;
      in
      if egress == null then { } else { inherit egress; }
    );

  bytesOrNull = size: if size == null then null else bytes size;
  millisecondsOrNull = duration: if duration == null then null else milliseconds duration;

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
      egress = withPort name agent;
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

  routineManifest =
    name: routine:
    run routine
    // {
      digest = hash (run routine);
      schedule =
        if routine.schedule == null then
          null
        else
          {
            expression = routine.schedule;
            inherit (routine) timezone;
          };
      inherit (routine)
        atBoot
        after
        group
        retries
        expect
        ;
      on = routine.on // {
        ledger = map (entry: { subject = null; } // entry) routine.on.ledger;
      };
      webhook =
        if routine.webhook == null then
          null
        else
          {
            inherit (routine.webhook)
              path
              scheme
              secrets
              listen
              ;
            bodyBytes = bytes routine.webhook.body;
          };
      overlap = {
        kind = routine.overlap;
        inherit (routine) limit;
      };
      missed = {
        run = routine.missed;
        withinMs = milliseconds routine.catchUp;
      };
      jitterMs = milliseconds routine.jitter;
      deadlineMs = millisecondsOrNull routine.deadline;
      backoff = backoffPolicy routine.backoff;
      timeoutMs = millisecondsOrNull routine.timeout;
      egress = withPort (routineSubject name) routine;
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
    inherit (spec.watchdog) rollbackBudget restartsAtOnce;
  };
  drift = {
    inherit (spec.drift) policy attempts ignore;
    everyMs = milliseconds spec.drift.every;
    storeEveryMs = milliseconds spec.drift.storeEvery;
    withinMs = milliseconds spec.drift.within;
  };
  agents = mapAttrs agentManifest spec.agents;
  routines = mapAttrs routineManifest spec.routines;
}
# Whom to tell is in no digest: it cannot make an agent fail.
// (if alerts.isUsed then { alerts = alerts.manifest; } else { })
