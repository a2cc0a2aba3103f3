# Where things are on a host. agentctl and watchd know the same places.
rec {
  state = "/var/lib/daruma";
  runtime = "/run/daruma";
  configuration = "/etc/daruma";

  # Hooks and programs sit at paths that no deploy changes, so that adding an agent changes no other unit.
  bin = "${configuration}/bin";
  manifest = "${configuration}/host.json";

  watchdSocket = "${runtime}/watchd.sock";
  ledgerSockets = "${runtime}/ledger";
  exits = "${runtime}/exits";
  # Names the generation that watchd has found good since the boot.
  proven = "${runtime}/proven";
  agentSockets = "${runtime}/agents";
  routineSockets = "${runtime}/routines";
  # What runs are told, and which invocation each is.
  routineRuns = "${runtime}/routine-runs";

  # Apart from the other writers' sockets: whoever may enter there could write in anybody's name.
  egressLedger = "${runtime}/ledger-egressd";
  egressSocket = "/run/daruma-egress/egressd.sock";
  # There while an agent's wall is to be tested; egressd writes it.
  egressUnproven = "/run/daruma-egress/unproven";
  # Written whenever the wall is loaded.
  egressWall = "/run/daruma-egress-wall/loaded";
  egressSelfTest = "/run/daruma-egress-self-test";
  egressRules = "${configuration}/egress.nft";

  # One for each daemon, in a directory of its own: who measures may ask how it is, and nothing else.
  statusSockets = "${runtime}/status";
  statusDirectory = daemon: "${statusSockets}/${daemon}";
  statusSocket = daemon: "${statusDirectory daemon}/status.sock";
  metricsRuntime = "daruma-metrics";

  watchdState = "${state}/watchd";
  ledgerState = "${state}/ledger";
  stopped = "${state}/stopped";
  gcRoots = "/nix/var/nix/gcroots/daruma";

  agent = name: rec {
    user = "da-${name}";
    # Below /var/lib and /var/cache; systemd makes them for the agent's user.
    stateDirectory = "daruma/agents/${name}/state";
    checkpointDirectory = "daruma/agents/${name}/checkpoint";
    cacheDirectory = "daruma/agents/${name}";
    # Not below /run/daruma: systemd removes it whenever the agent stops, and what watchd serves must stay.
    runtimeDirectory = "daruma-agents/${name}";
    home = "${state}/agents/${name}";
    socketDirectory = "${agentSockets}/${name}";
    socket = "${socketDirectory}/api.sock";
    stateDir = "/var/lib/${stateDirectory}";
    checkpointDir = "/var/lib/${checkpointDirectory}";
  };

  # Of the run that "%i" stands for.
  routine = name: rec {
    user = "dr-${name}";
    stateDirectory = "daruma/routines/${name}/%i/state";
    checkpointDirectory = "daruma/routines/${name}/%i/checkpoint";
    # watchd makes a directory for each run in either.
    home = "${state}/routines/${name}";
    sockets = "${routineSockets}/${name}";
    socketDirectory = "${sockets}/%i";
    socket = "${socketDirectory}/api.sock";
    stateDir = "/var/lib/${stateDirectory}";
    checkpointDir = "/var/lib/${checkpointDirectory}";
  };

  # Whose egress it is: an agent by its name, or "routine:NAME" (packages/config/src/egress/rule.ts).
  routineSubject = name: "routine:${name}";
  subjectUser =
    subject:
    let
      parts = builtins.match "routine:(.*)" subject;
    in
    if parts == null then (agent subject).user else (routine (builtins.head parts)).user;
}
