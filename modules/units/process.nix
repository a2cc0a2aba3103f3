# What the unit of an agent and that of a routine's runs have in common: a program, in a sandbox, with what it is given and how
# it is stopped. systemd starts, isolates and limits it; watchd decides.
{
  # An agent or a routine, as options.nix has it.
  program,
  # What of paths.nix is its own: user, stateDir, checkpointDir, stateDirectory, checkpointDirectory, socketDirectory.
  self,
  digest,
  egress,
  # What its hooks are told.
  hook,
  # Variables beside what it declares. Values are as systemd reads them.
  variables,
  # What every line of its journal bears.
  fields,
  # Units that it starts after, beside those that follow from its egress.
  after ? [ ],
}:
let
  inherit (builtins)
    any
    attrNames
    match
    stringLength
    substring
    ;
  inherit (import ./measures.nix) bytes milliseconds;
  text = import ./text.nix;
  paths = import ./paths.nix;
  hardening = import ./hardening.nix;

  inHome = path: match "/(home|root|run/user)(/.*)?" path != null;
  inStore = path: substring 0 (stringLength builtins.storeDir + 1) path == "${builtins.storeDir}/";
  directory = program.workingDirectory;

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

  quoted = values: builtins.mapAttrs (name: value: text.word "${name}=${value}") values;
  # Not escaped: a "%i" in them is the instance's.
  own = builtins.mapAttrs (name: value: "\"${name}=${value}\"") (
    variables
    // {
      DARUMA_CHECKPOINT_DIR = self.checkpointDir;
      DARUMA_DIGEST = digest;
      DARUMA_STATE_DIR = self.stateDir;
    }
  );
  environment = quoted (proxyVariables // program.environment) // own;
in
rec {
  # The hook at the end of a stop has the same time limit as the stop, and must not be cut off by a tiny one.
  stopMs =
    let
      leastStopMs = 2000;
      graceMs = milliseconds program.stop.grace;
    in
    if graceMs > leastStopMs then graceMs else leastStopMs;

  Unit = {
    # What fails because the network is not there yet would look like what a deploy has broken.
    After = [
      "network-online.target"
    ]
    ++ after
    ++ (if enforced then [ "daruma-egress-wall.service" ] else [ ])
    ++ (if egress == null then [ ] else [ "daruma-egressd.service" ]);
    Wants = [ "network-online.target" ] ++ (if egress == null then [ ] else [ "daruma-egressd.service" ]);
    # How often it is started is watchd's to say; and without watchd systemd tries for ever, so that agents are never dead with it.
    StartLimitIntervalSec = 0;
  }
  # Without the wall it does not run, and when the wall goes it goes first.
  // (if enforced then { Requires = [ "daruma-egress-wall.service" ]; } else { });

  Service = hardening.agent // {
    Type = "exec";
    ExecStart = text.commandLine program.command;
    # Tells how the run ended, as root and outside the sandbox. A hook that fails must not make the stop fail. (Where
    # the working directory is missing, systemd runs neither the program nor the hook; it knows exit status 200 itself.)
    ExecStopPost = "+-${paths.bin}/exit-hook ${hook}";
    # Tells that somebody asked it to stop.
    ExecStop = "+-${paths.bin}/stop-hook ${hook}";
    # The digest is how watchd tells which definition systemd has loaded.
    LogExtraFields = fields ++ [ "DARUMA_DIGEST=${digest}" ];
    Environment = map (variable: environment.${variable}) (attrNames environment);
    WorkingDirectory = if directory == null then self.stateDir else text.plain directory;
    LoadCredential = map (credential: "${credential}:${text.plain program.credentials.${credential}}") (
      attrNames program.credentials
    );

    User = self.user;
    Group = self.user;
    StateDirectory = [
      self.stateDirectory
      self.checkpointDirectory
    ];
    StateDirectoryMode = "0700";
    # Of what Daruma has in /run, it sees the directory of its own socket: the directory, because watchd makes the
    # socket anew when it is restarted. One that is missing must not keep it from starting.
    TemporaryFileSystem = "${paths.runtime}:ro";
    # systemd takes the hooks out of every other part of the sandbox, but not out of this (tried): they leave their traces here, as
    # root. The program's user cannot enter it.
    BindPaths = "-${paths.exits}";
    BindReadOnlyPaths = "-${self.socketDirectory}";

    KillSignal = program.stop.signal;
    TimeoutStopSec = "${toString stopMs}ms";
  }
  // (
    # The working directory that was asked for may be written to, as far as its modes allow. It may be missing;
    # starting then fails with a message about it rather than about a mount.
    if directory == null || directory == "/" || inStore directory then
      { }
    else
      { ReadWritePaths = text.word "-${directory}"; }
  )
  // (
    # Homes are hidden, unless that would hide what was asked for.
    if any inHome ((if directory == null then [ ] else [ directory ]) ++ program.command) then
      { ProtectHome = "read-only"; }
    else
      { }
  )
  // (if enforced then hardening.confined else { })
  // (if program.limits.memory == null then { } else { MemoryMax = bytes program.limits.memory; });
}
