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
    any
    attrNames
    elem
    filter
    match
    stringLength
    substring
    ;
  inherit (import ./measures.nix) bytes milliseconds;
  text = import ./text.nix;
  paths = import ./paths.nix;
  self = paths.agent name;

  inHome = path: match "/(home|root|run/user)(/.*)?" path != null;
  inStore = path: substring 0 (stringLength builtins.storeDir + 1) path == "${builtins.storeDir}/";
  directory = if agent.workingDirectory == null then self.stateDir else agent.workingDirectory;

  # The hook at the end of a stop has the same time limit as the stop, and must not be cut off by a tiny one.
  leastStopMs = 2000;
  stopMs =
    let
      graceMs = milliseconds agent.stop.grace;
    in
    if graceMs > leastStopMs then graceMs else leastStopMs;

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

  enforced = egress != null && egress.mode == "enforce";
  proxy = "http://127.0.0.1:${toString egress.port}";
  # Not NO_PROXY: its own host is out of reach as well, but for what the rules allow.
  proxyVariables =
    if egress == null then
      { }
    else
      {
        ALL_PROXY = proxy;
        HTTPS_PROXY = proxy;
        HTTP_PROXY = proxy;
        NODE_USE_ENV_PROXY = "1";
        all_proxy = proxy;
        http_proxy = proxy;
        https_proxy = proxy;
      };

  environment = proxyVariables // agent.environment // {
    DARUMA_AGENT = name;
    DARUMA_CHECKPOINT_DIR = self.checkpointDir;
    DARUMA_DIGEST = digest;
    DARUMA_SOCKET = self.socket;
    DARUMA_STATE_DIR = self.stateDir;
  };
in
{
  Unit = {
    Description = "Daruma agent ${name}";
    # An agent that fails because the network is not there yet would look like one that a deploy has broken.
    After = [
      "network-online.target"
      "daruma-stand-ins.service"
    ]
    ++ (if enforced then [ "daruma-egress-wall.service" ] else [ ])
    ++ (if egress == null then [ ] else [ "daruma-egressd.service" ]);
    Wants = [ "network-online.target" ] ++ (if egress == null then [ ] else [ "daruma-egressd.service" ]);
    # What a person stopped stays stopped: every switch starts what multi-user.target wants.
    ConditionPathExists = "!${paths.stopped}/${name}";
    # A dead watchd never means dead agents: systemd tries for ever.
    StartLimitIntervalSec = 0;
  }
  # Without the wall it does not run, and when the wall goes it goes first.
  // (if enforced then { Requires = [ "daruma-egress-wall.service" ]; } else { });

  Service = (import ./hardening.nix).agent // {
    Type = "exec";
    ExecStart = text.commandLine agent.command;
    # Tells how the run ended, as root and outside the sandbox. A hook that fails must not make the stop fail. (Where
    # the working directory is missing, systemd runs neither the agent nor the hook; it knows exit status 200 itself.)
    ExecStopPost = "+-${paths.bin}/exit-hook ${name}";
    # Tells that somebody asked it to stop.
    ExecStop = "+-${paths.bin}/stop-hook ${name}";
    # In the journal beside every line of the agent, and how watchd tells which definition systemd has loaded.
    LogExtraFields = [
      "DARUMA_AGENT=${name}"
      "DARUMA_DIGEST=${digest}"
    ];
    Environment = map (variable: text.word "${variable}=${environment.${variable}}") (attrNames environment);
    WorkingDirectory = text.plain directory;
    LoadCredential = map (credential: "${credential}:${text.plain agent.credentials.${credential}}") (
      attrNames agent.credentials
    );

    User = self.user;
    Group = self.user;
    StateDirectory = [
      self.stateDirectory
      self.checkpointDirectory
    ];
    StateDirectoryMode = "0700";
    CacheDirectory = self.cacheDirectory;
    CacheDirectoryMode = "0700";
    RuntimeDirectory = self.runtimeDirectory;
    RuntimeDirectoryMode = "0700";
    # Of what Daruma has in /run, an agent sees the directory of its own socket: the directory, because watchd makes the
    # socket anew when it is restarted. One that is missing must not keep the agent from starting.
    TemporaryFileSystem = "${paths.runtime}:ro";
    # systemd takes the hooks out of every other part of the sandbox, but not out of this (tried): they leave their traces here, as
    # root. The agent's user cannot enter it.
    BindPaths = "-${paths.exits}";
    BindReadOnlyPaths = "-${self.socketDirectory}";

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

    KillSignal = agent.stop.signal;
    TimeoutStopSec = "${toString stopMs}ms";
  }
  // (
    # The working directory that was asked for may be written to, as far as its modes allow. It may be missing;
    # starting then fails with a message about it rather than about a mount.
    if agent.workingDirectory == null || directory == "/" || inStore directory then
      { }
    else
      { ReadWritePaths = text.word "-${directory}"; }
  )
  // (
    # Homes are hidden, unless that would hide what was asked for.
    if any inHome ([ directory ] ++ agent.command) then { ProtectHome = "read-only"; } else { }
  )
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
        TimeoutAbortSec = "${toString stopMs}ms";
      }
  )
  // (if enforced then (import ./hardening.nix).confined else { })
  // (
    if agent.limits.memory == null then { } else { MemoryMax = bytes agent.limits.memory; }
  );

  Install.WantedBy = [ "multi-user.target" ];
}
