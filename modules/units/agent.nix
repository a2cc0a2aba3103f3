# The unit of one agent: from what is declared to sections. systemd starts, isolates and limits the agent and is the
# safety net; watchd decides. What of it is the same for every agent is in the host's digest, not in the agent's.
{
  name,
  agent,
  digest,
  # As in host.json: the port of its proxy, and whether what its rules refuse is refused. Null for one that is not confined.
  egress ? null,
}:
let
  inherit (builtins)
    attrNames
    elem
    filter
    ;
  inherit (import ./measures.nix) milliseconds;
  paths = import ./paths.nix;
  self = paths.agent name;
  process = import ./process.nix {
    program = agent;
    inherit self digest egress;
    hook = name;
    variables = {
      DARUMA_AGENT = name;
      DARUMA_SOCKET = self.socket;
    };
    after = [ "daruma-stand-ins.service" ];
    # In the journal beside every line of the agent.
    fields = [ "DARUMA_AGENT=${name}" ];
  };

  # systemd.service(5), Restart=: with an exit code of 0, these count as a clean exit.
  cleanSignals = [
    "SIGHUP"
    "SIGINT"
    "SIGTERM"
    "SIGPIPE"
  ];

  # What the agent's own ends mean. EX_CONFIG is one by itself.
  meanings = {
    "78" = "configuration";
  }
  // agent.restart.exits;
  ends = meaning: filter (end: meanings.${end} == meaning) (attrNames meanings);

  failures =
    let
      signals = cleanSignals ++ filter (signal: !elem signal cleanSignals) [ agent.stop.signal ];
    in
    filter (signal: !meanings ? ${signal}) signals
    # systemd restarts after any other end that is no success.
    ++ filter (end: elem end (cleanSignals ++ [ "0" agent.stop.signal ])) (ends "failure" ++ ends "temporary");

  # Ending by the signal that asked it to is no failure. systemd knows that of some by itself.
  successes =
    filter (signal: !meanings ? ${signal}) (
      filter (signal: signal == agent.stop.signal) [
        "SIGQUIT"
        "SIGUSR1"
        "SIGUSR2"
      ]
    )
    ++ ends "success";
in
{
  Unit = process.Unit // {
    Description = "Daruma agent ${name}";
    # What a person stopped stays stopped: every switch starts what multi-user.target wants.
    ConditionPathExists = "!${paths.stopped}/${name}";
  };

  Service = process.Service // {
    CacheDirectory = self.cacheDirectory;
    CacheDirectoryMode = "0700";
    RuntimeDirectory = self.runtimeDirectory;
    RuntimeDirectoryMode = "0700";

    # watchd restarts with backoff long before this; it is for the time without watchd.
    Restart =
      {
        always = "always";
        on-failure = "on-failure";
        never = "no";
      }
      .${agent.restart.when};
    # Not with RestartMode=direct: the job that starts an agent which cannot be executed would then go on for as long as it
    # is tried again, that is for ever, and whoever waits for it with it: a switch, the boot, watchd (tried).
    RestartSec = "15s";
    # To start it once more, as it is, would change nothing.
    RestartPreventExitStatus = ends "configuration";
  }
  // (
    # What nobody asked to stop has failed, whichever signal ended it; systemd takes some of them for a clean end.
    if agent.restart.when == "on-failure" then { RestartForceExitStatus = failures; } else { }
  )
  // (if successes == [ ] then { } else { SuccessExitStatus = successes; })
  // (
    # systemd itself watches and acts, with or without watchd, which reads Result=watchdog as a hang. It counts from the moment in
    # which the program has been executed: with Type=notify a switch, the boot and watchd would wait for READY=1.
    if agent.heartbeat == null || agent.heartbeat.through != "notify" then
      { }
    else
      {
        NotifyAccess = "all";
        WatchdogSec = "${toString (milliseconds agent.heartbeat.silence)}ms";
        # It is asked to stop like anybody else, rather than to dump its core.
        WatchdogSignal = agent.stop.signal;
        TimeoutAbortSec = "${toString process.stopMs}ms";
      }
  );

  Install.WantedBy = [ "multi-user.target" ];
}
