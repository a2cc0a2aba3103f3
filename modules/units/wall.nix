# The kernel's side of egress, and the proxy behind it: for the agents and routines whose rules are enforced. Nothing of it is there where
# there are none.
{
  # Agents and routines whose rules are enforced: subject (paths.nix) -> { port, allow, ... }, as in host.json.
  confined,
  daruma,
  path,
}:
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    filter
    hashString
    ;
  text = import ./text.nix;
  paths = import ./paths.nix;
  hardening = import ./hardening.nix;
  names = attrNames confined;
  # Names have no colon in them.
  chainOf =
    subject:
    if builtins.match "routine:.*" subject == null then
      "agent-${subject}"
    else
      builtins.replaceStrings [ ":" ] [ "-" ] subject;

  portsOf =
    name:
    [ confined.${name}.port ]
    ++ filter (port: port != null) (map (rule: rule.forward or null) confined.${name}.allow);
  list = ports: concatStringsSep ", " (map toString ports);

  # One transaction: there is no moment between the old rules and the new ones. User names are resolved when it is loaded.
  # By direction, not by state: a connection that an agent began while the table was gone is cut when it is back.
  # Only new connections of others are refused: what is left of an agent's own after its process has ended has no user.
  rules = concatStringsSep "\n" (
    [
      "table inet daruma_egress"
      "delete table inet daruma_egress"
      "table inet daruma_egress {"
      "  chain output {"
      "    type filter hook output priority -10; policy accept;"
    ]
    ++ map (name: "    meta skuid \"${paths.subjectUser name}\" goto ${chainOf name}") names
    ++ map (
      port: "    ip daddr 127.0.0.0/8 tcp dport ${toString port} ct state new reject with tcp reset"
    ) (concatMap portsOf names)
    ++ [ "  }" ]
    ++ concatMap (name: [
      "  chain ${chainOf name} {"
      "    ct direction reply accept"
      "    oifname \"lo\" ip daddr 127.0.0.1 tcp dport { ${list (portsOf name)} } accept"
      "    meta l4proto tcp reject with tcp reset"
      "    reject with icmpx admin-prohibited"
      "  }"
    ]) names
    ++ [
      "}"
      ""
    ]
  );

  program = "${daruma}/libexec/daruma/egress-wall";
  selfTest = "${daruma}/libexec/daruma/egress-self-test";
  environment = [ (text.word "PATH=${path}") ];

  # One agent's or routine's user, in the sandbox of all that are behind the wall. A template: one more changes nothing in it.
  probe =
    { what, subject }:
    {
      Unit = {
        Description = "Daruma egress: what ${what} can reach";
        CollectMode = "inactive-or-failed";
        StartLimitIntervalSec = 0;
      };
      Service =
        hardening.agent
        // hardening.confined
        // {
          Type = "oneshot";
          ExecStart = "${selfTest} probe";
          # systemd opens them, as root: the user that is tested reaches neither.
          StandardInput = "file:${paths.egressSelfTest}/${subject}.in";
          StandardOutput = "truncate:${paths.egressSelfTest}/${subject}.out";
          StandardError = "journal";
          TemporaryFileSystem = "${paths.runtime}:ro";
          TimeoutStartSec = "30s";
          User = paths.subjectUser subject;
          Group = paths.subjectUser subject;
          X-RestartIfChanged = false;
        };
    };
in
{
  etc."daruma/egress.nft" = {
    text = rules;
    executable = false;
  };

  units = {
    "daruma-egress-wall.service" = {
      Unit = {
        Description = "Daruma egress: the wall";
        After = [ "systemd-sysusers.service" ];
        Before = [ "network.target" ];
        Wants = [ "daruma-egress-watch.service" ];
        X-Reload-Triggers = hashString "sha256" rules;
      };
      Service = hardening.wall // {
        Type = "oneshot";
        RemainAfterExit = true;
        ExecStart = "${program} load";
        # Agents need it, so they are gone before it is.
        ExecStop = "${program} unload";
        ExecReload = "${program} load";
        Environment = environment;
        RuntimeDirectory = "daruma-egress-wall";
        # Who is held stays so while it is stopped, and after it.
        RuntimeDirectoryPreserve = true;
        # A switch changes the rules in place: agents that are up stay up, and never without them.
        X-ReloadIfChanged = true;
      };
      Install.WantedBy = [ "multi-user.target" ];
    };

    "daruma-egress-watch.service" = {
      Unit = {
        Description = "Daruma egress: watches the wall";
        BindsTo = [ "daruma-egress-wall.service" ];
        After = [ "daruma-egress-wall.service" ];
        StartLimitIntervalSec = 0;
      };
      Service = hardening.wall // {
        Type = "exec";
        ExecStart = "${program} watch";
        Environment = environment;
        ReadWritePaths = [ "-/run/daruma-egress-wall" ];
        Restart = "always";
        RestartSec = "200ms";
        X-StopIfChanged = false;
      };
    };

    # egressd knows when a proof is wanted, and may start nothing; systemd looks for its sign.
    "daruma-egress-self-test.path" = {
      Unit.Description = "Daruma egress: a self-test is wanted";
      Path.PathExists = paths.egressUnproven;
      Install.WantedBy = [ "multi-user.target" ];
    };

    "daruma-egress-self-test.service" = {
      Unit = {
        Description = "Daruma egress: the self-test of the wall";
        After = [
          "daruma-egress-wall.service"
          "daruma-egressd.service"
        ];
        StartLimitIntervalSec = 0;
      };
      Service = hardening.selfTest // {
        Type = "oneshot";
        ExecStart = text.commandLine [
          selfTest
          "run"
          "--egressd"
          paths.egressSocket
          "--directory"
          paths.egressSelfTest
        ];
        Environment = environment;
        RuntimeDirectory = baseNameOf paths.egressSelfTest;
        RuntimeDirectoryMode = "0700";
        Restart = "on-failure";
        RestartSec = "5s";
        # A switch that stops it in the middle leaves nothing proven; egressd asks again.
        X-RestartIfChanged = false;
      };
    };

    "daruma-egress-probe@.service" = probe {
      what = "agent %i";
      subject = "%i";
    };
    "daruma-egress-probe-routine@.service" = probe {
      what = "routine %i";
      subject = paths.routineSubject "%i";
    };

    "daruma-egressd.service" = {
      Unit = {
        Description = "Daruma egress: the proxy";
        Wants = [ "daruma-ledgerd.service" ];
        After = [
          "daruma-ledgerd.service"
          "network-online.target"
        ];
        StartLimitIntervalSec = 0;
      };
      Service = hardening.egressd // {
        Type = "exec";
        ExecStart = text.commandLine [
          "${daruma}/bin/egressd"
          "--manifest"
          paths.manifest
          "--ledger"
          "${paths.egressLedger}/egressd.sock"
          "--socket"
          paths.egressSocket
          "--wall"
          paths.egressWall
          "--status-socket"
          (paths.statusSocket "egressd")
        ];
        ReadWritePaths = [ "-${paths.statusDirectory "egressd"}" ];
        User = "daruma-egress";
        Group = "daruma-egress";
        RuntimeDirectory = "daruma-egress";
        RuntimeDirectoryMode = "0700";
        Restart = "always";
        RestartSec = "200ms";
        RestartMode = "direct";
        TimeoutStopSec = "30s";
        OOMScoreAdjust = -500;
        X-StopIfChanged = false;
      };
      Install.WantedBy = [ "multi-user.target" ];
    };
  };
}
