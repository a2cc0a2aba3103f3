# The units of Daruma itself. Nothing in them depends on which agents there are.
{
  spec,
  daruma,
  path,
  # The secrets of alerts, as settings of watchd's unit.
  credentials ? { },
}:
let
  inherit (spec) host;
  witnesses = import ./witnesses.nix;
  text = import ./text.nix;
  paths = import ./paths.nix;
  hardening = import ./hardening.nix;

  # A daemon that a switch changes is restarted in one step, under its new definition: it is away for a moment only.
  restartInOneStep.X-StopIfChanged = false;
in
{
  "daruma-watchd.service" = {
    Unit = {
      Description = "Daruma watchdog";
      Wants = [ "daruma-ledgerd.service" ];
      After = [ "daruma-ledgerd.service" ];
      # A watchdog that cannot stay up is what this program, which needs no Node, is for.
      OnFailure = [ "daruma-watchd-failed.service" ];
      # Long enough for five times WatchdogSec=: one that hangs each time is given up as well.
      StartLimitIntervalSec = 300;
      StartLimitBurst = 5;
    };
    Service =
      hardening.watchd
      // restartInOneStep
      // credentials
      // {
        Type = "exec";
        ExecStart = text.commandLine [
          "${daruma}/bin/watchd"
          "--state"
          paths.state
          "--runtime"
          paths.runtime
          "--systemd"
          "--ledger"
          "${paths.ledgerSockets}/watchd.sock"
          "--socket"
          paths.watchdSocket
          "--egressd"
          paths.egressSocket
          "--status-socket"
          (paths.statusSocket "watchd")
        ];
        Environment = [ (text.word "PATH=${path}") ];
        Restart = "always";
        RestartSec = "200ms";
        # Otherwise OnFailure= would fire at every crash.
        RestartMode = "direct";
        # Fed after completed reconciles through systemd-notify, which is a process of its own.
        WatchdogSec = "30s";
        NotifyAccess = "all";
        TimeoutStopSec = "30s";
        OOMScoreAdjust = -900;
        # An agent that takes every processor must not keep its watchdog from acting.
        Nice = -10;
      };
    Install.WantedBy = [ "multi-user.target" ];
  };

  "daruma-watchd-failed.service" = {
    Unit.Description = "Daruma: the watchdog cannot stay up";
    # Its work is a part of watchd's.
    Service = hardening.watchd // {
      Type = "oneshot";
      ExecStart = "${paths.bin}/watchd-failed";
      # It waits for somebody else's switch, hashes closures and waits for its own switch, each with a bound of its own.
      TimeoutStartSec = "2h";
      # It waits for a switch that may change or remove this very unit.
      X-RestartIfChanged = false;
    };
  };

  # What stood in for agents' own settings before the boot does so again before they start.
  "daruma-stand-ins.service" = {
    Unit = {
      Description = "Daruma: settings that stand in for those of agents";
      RequiresMountsFor = paths.watchdState;
    };
    Service = hardening.standIns // {
      Type = "oneshot";
      RemainAfterExit = true;
      ExecStart = "${paths.bin}/stand-ins";
      # From then on watchd sees to it.
      X-RestartIfChanged = false;
    };
    Install.WantedBy = [ "multi-user.target" ];
  };

  "daruma-ledgerd.service" = {
    Unit = {
      Description = "Daruma ledger";
      StartLimitIntervalSec = 0;
    };
    Service =
      (if witnesses.needsNetwork spec then hardening.networkedLedgerd else hardening.ledgerd)
      // restartInOneStep
      // {
        Type = "exec";
        ExecStart = text.commandLine (
          [
            "${daruma}/bin/ledgerd"
            "--store"
            paths.ledgerState
            "--sockets"
            paths.ledgerSockets
            "--host"
            host
            "--writers"
            "watchd,operator,egressd"
            "--writer-directory"
            "egressd=${paths.egressLedger}"
            "--status-socket"
            (paths.statusSocket "ledgerd")
          ]
          ++ witnesses.flags spec
        );
        Environment = [ (text.word "PATH=${path}") ];
        User = "daruma-ledger";
        Group = "daruma-ledger";
        StateDirectory = "daruma/ledger";
        StateDirectoryMode = "0700";
        ReadWritePaths = [
          paths.ledgerSockets
          paths.egressLedger
          "-${paths.statusDirectory "ledgerd"}"
        ]
        ++ map text.word (witnesses.writable spec);
        Restart = "always";
        RestartSec = "200ms";
        RestartMode = "direct";
        # It never gives up; with a full disk, trying five times a second would help nobody.
        RestartSteps = 6;
        RestartMaxDelaySec = "10s";
        # Fed by the clock, through systemd-notify. Long enough for a ledger of years to be opened on a slow disk.
        WatchdogSec = "2min";
        NotifyAccess = "all";
        TimeoutStopSec = "30s";
        OOMScoreAdjust = -900;
      };
    Install.WantedBy = [ "multi-user.target" ];
  };
}
