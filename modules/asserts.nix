# What option types cannot say of one option: names, ranges, paths that systemd can hold. The rules are those of the fleet file
# (packages/config), for whoever writes services.daruma by hand; a test holds the two together. Rules across options are in
# TypeScript alone, and run when the host is built (checks.nix). A function of services.daruma, in builtins only, to a list of
# { assertion, message }.
spec:
let
  inherit (builtins)
    attrNames
    concatLists
    elem
    head
    match
    stringLength
    substring
    toJSON
    ;
  inherit (import ./units/measures.nix) milliseconds bytes;
  inherit (import ./units/egress.nix) listProblems;
  witnessProblems = (import ./units/witnesses.nix).problems;

  check = option: assertion: problem: {
    inherit assertion;
    message = "services.daruma.${option}: ${problem}";
  };

  within =
    parse: option: value: least: most:
    check option (
      parse value >= parse least && parse value <= parse most
    ) "${value} is not from ${least} to ${most}";
  duration = within milliseconds;

  fits = pattern: limit: text: stringLength text <= limit && match pattern text != null;

  # POSIX extended regular expressions, as in packages/config/src/names.ts.
  isHostName = fits "[a-z0-9]([a-z0-9-]*[a-z0-9])?" 63;
  isAgentName = fits "[a-z][a-z0-9-]{0,26}[a-z0-9]" 28;
  isVariableName =
    name: fits "[A-Za-z_][A-Za-z0-9_]*" 255 name && substring 0 7 name != "DARUMA_" && !elem name reserved;
  isCredentialName = name: fits "[A-Za-z0-9_][A-Za-z0-9_.-]*" 255 name && name != "__proto__";

  # Daruma or systemd tells the agent something through them. __proto__ is lost in a JavaScript object.
  reserved = [
    "CREDENTIALS_DIRECTORY"
    "INVOCATION_ID"
    "NOTIFY_SOCKET"
    "WATCHDOG_PID"
    "WATCHDOG_USEC"
    "__proto__"
  ];

  # systemd drops such a line, or reads it differently, instead of refusing the unit.
  isUnitPath =
    path:
    stringLength path < 4096
    && match "/[^[:cntrl:]]*" path != null
    && match ".*([[:space:]]|\\\\)" path == null
    && match ".*//.*" path == null
    && match ".*/[.][.]?(/.*)?" path == null;
  unitPathProblem =
    "must be an absolute path without control characters, without empty, \".\" or \"..\" parts, "
    + "and without a space or backslash at its end";

  # systemd 254 and newer hand a credential's path to the process that starts the agent in a form that cannot hold more
  # (tried with 257: such an agent never starts).
  isCredentialPath = path: isUnitPath path && match "[^[:space:]\\]*" path != null;
  credentialPathProblem =
    "must be an absolute path without spaces, backslashes and control characters, "
    + "and without empty, \".\" or \"..\" parts";

  # As in packages/config/src/words.ts.
  isEnd =
    end:
    match "0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5]" end != null
    ||
      match "SIG(HUP|INT|QUIT|ILL|TRAP|ABRT|BUS|FPE|KILL|USR1|SEGV|USR2|PIPE|ALRM|TERM|XCPU|XFSZ|VTALRM|PROF|IO|PWR|SYS)" end
      != null;

  # systemd.service(5): the path of the executable is the one word that may not be quoted in every way.
  isCommand = command: command != [ ] && match "/[^[:cntrl:]\"'\\]*" (head command) != null;
  commandProblem = "the program must be an absolute path without control characters, quotes and backslashes";

  inStore =
    let
      store = "${builtins.storeDir}/";
    in
    path: substring 0 (stringLength store) path == store;

  # What an agent and a routine are alike in.
  programAsserts =
    noun: at: name: each:
    [
      (check at (isAgentName name)
        "${if noun == "agent" then "an agent" else "a ${noun}"}'s name has 2 to 28 characters from a-z, 0-9 and \"-\", starts with a letter and does not end with \"-\""
      )
      (check "${at}.command" (isCommand each.command) commandProblem)
      (check "${at}.workingDirectory" (
        each.workingDirectory == null || isUnitPath each.workingDirectory
      ) unitPathProblem)
      (duration "${at}.stop.grace" each.stop.grace "1ms" "1h")
    ]
    ++ map (
      variable:
      check "${at}.environment" (isVariableName variable)
        "${toJSON variable} is not the name of a variable, or is set by Daruma itself"
    ) (attrNames each.environment)
    ++ concatLists (
      map (credential: [
        (check "${at}.credentials" (isCredentialName credential)
          "${toJSON credential} is not a file name of letters, digits, \"_\", \".\" and \"-\""
        )
        (check "${at}.credentials.${credential}" (
          isCredentialPath each.credentials.${credential}
        ) credentialPathProblem)
        (check "${at}.credentials.${credential}" (
          !inStore each.credentials.${credential}
        ) "must not be in ${builtins.storeDir}, which everybody can read")
      ]) (attrNames each.credentials)
    )
    ++ (
      if each.limits.memory == null then
        [ ]
      else
        [ (within bytes "${at}.limits.memory" each.limits.memory "1MiB" "1024TiB") ]
    )
    ++ ruleAsserts "${at}.egress" false (if each.egress == null then [ ] else each.egress);

  backoffAsserts = at: backoff: [
    (duration "${at}.initial" backoff.initial "0ms" "1h")
    (duration "${at}.max" backoff.max "1ms" "1d")
  ];

  agentAsserts =
    name:
    let
      agent = spec.agents.${name};
      at = "agents.${toJSON name}";
      inherit (agent) health heartbeat restart;
    in
    programAsserts "agent" at name agent
    ++ [
      (duration "${at}.startup" agent.startup "1ms" "1d")
      (duration "${at}.restart.within" restart.within "1ms" "7d")
    ]
    ++ backoffAsserts "${at}.restart.backoff" restart.backoff
    ++ fallbackAsserts "${at}.fallback" agent
    ++ map (
      end:
      check "${at}.restart.exits" (isEnd end)
        "${toJSON end} is neither an exit code from 0 to 255 nor a signal that ends a process"
    ) (attrNames restart.exits)
    ++ (
      if health == null then
        [ ]
      else
        [
          (duration "${at}.health.every" health.every "10ms" "1h")
          (duration "${at}.health.expect.within" health.expect.within "1ms" "10m")
          (check "${at}.health.expect.contains" (
            health.expect.contains != ""
          ) "must not be empty: every body contains that")
        ]
        ++ map (
          pointer:
          check "${at}.health.expect.json" (match "/([^~]|~0|~1)*" pointer != null)
            "${toJSON pointer} is not a JSON Pointer such as \"/status\""
        ) (attrNames health.expect.json)
    )
    ++ (
      if heartbeat == null then
        [ ]
      else
        [
          (duration "${at}.heartbeat.every" heartbeat.every "10ms" "1h")
          (duration "${at}.heartbeat.silence" heartbeat.silence "100ms" "1d")
        ]
    )
    ++ (
      if agent.progress == null then
        [ ]
      else
        [ (duration "${at}.progress.within" agent.progress.within "100ms" "7d") ]
    )
    ++ (if agent.resources == null then [ ] else resourceAsserts "${at}.resources" agent.resources)
    ++ map (
      dependency:
      check "${at}.dependencies.${dependency}"
        (
          match "(tcp://([[][0-9a-fA-F:.]+]|[a-zA-Z0-9._-]+):[1-9][0-9]{0,4}|[Hh][Tt][Tt][Pp][Ss]?://[^[:space:]]+)" agent.dependencies.${dependency}
          != null
        )
        "must be tcp://HOST:PORT, or an http or https URL"
    ) (attrNames agent.dependencies);

  resourceAsserts =
    at: resources:
    let
      given = list: value: if value == null then [ ] else list;
      inherit (resources) memory leak cpu io latency;
    in
    [
      (duration "${at}.sustained" resources.sustained "1s" "1d")
      (duration "${at}.restartWithin" resources.restartWithin "0ms" "7d")
    ]
    ++ given [ (within bytes "${at}.memory" memory "1MiB" "1024TiB") ] memory
    ++ given [
      (within bytes "${at}.leak.growth" leak.growth "1KiB" "1024TiB")
      (duration "${at}.leak.within" leak.within "1s" "7d")
    ] leak
    ++ given [ (check "${at}.cpu" (cpu >= 0.001 && cpu <= 4096) "must be from 0.001 to 4096") ] cpu
    ++ given [ (within bytes "${at}.io" io "1B" "1024TiB") ] io
    ++ given [ (duration "${at}.latency" latency "1ms" "10m") ] latency
    ++
      map
        (name: check "${at}.${name}" (resources.${name} >= 1 && resources.${name} <= 1000000000) "must be from 1 to 1000000000")
        (
          builtins.filter (name: resources.${name} != null) [
            "openFiles"
            "tasks"
          ]
        );

  fallbackAsserts =
    at: agent:
    if agent.fallback == null then
      [ (check at (!elem "fallback" agent.escalate) "escalate names it, and there is none") ]
    else
      [
        (check "${at}.command" (
          agent.fallback.command == null || isCommand agent.fallback.command
        ) commandProblem)
      ]
      ++ map (
        variable:
        check "${at}.environment" (isVariableName variable)
          "${toJSON variable} is not the name of a variable, or is set by Daruma itself"
      ) (attrNames agent.fallback.environment);

  ruleAsserts =
    at: deny: rules:
    map (each: check each.at false each.problem) (listProblems {
      inherit at deny rules;
    });
in
[
  (check "host" (isHostName spec.host)
    "a host's name has 1 to 63 characters from a-z, 0-9 and \"-\", and does not start or end with \"-\""
  )
  (duration "watchdog.probation" spec.watchdog.probation "1ms" "7d")
  (duration "drift.every" spec.drift.every "100ms" "1d")
  (duration "drift.storeEvery" spec.drift.storeEvery "1s" "365d")
  (duration "drift.within" spec.drift.within "1s" "30d")
  (duration "egress.limits.idle" spec.egress.limits.idle "1s" "1d")
]
++ (
  if spec.egress.limits.bytes == null then
    [ ]
  else
    [ (within bytes "egress.limits.bytes" spec.egress.limits.bytes "1KiB" "1024TiB") ]
)
++ map ({ option, problem }: check "ledger.${option}" false problem) (witnessProblems {
  isPath = isUnitPath;
  inherit spec;
})
++ map ({ at, problem }: check at false problem) (
  (import ./units/alerts.nix spec).problems { isPath = isCredentialPath; }
)
++ ruleAsserts "egress.allow" false spec.egress.allow
++ ruleAsserts "egress.deny" true spec.egress.deny
++ concatLists (map agentAsserts (attrNames spec.agents))
++ import ./routine-asserts.nix {
  inherit (spec) routines;
  inherit
    check
    duration
    isUnitPath
    unitPathProblem
    inStore
    programAsserts
    backoffAsserts
    ;
}
