# metricsd, which tells Prometheus how the host and its agents are, and the sockets at which it asks the daemons.
{
  spec,
  daruma,
  # Whether there is an egressd.
  hasEgress,
}:
let
  text = import ./text.nix;
  paths = import ./paths.nix;
  hardening = import ./hardening.nix;
  metrics = spec.metrics or null;
  port = if metrics == null then null else metrics.port or null;
  group = "daruma-metrics";

  directory = daemon: user: "d ${paths.statusDirectory daemon} 2750 ${user} ${group} -";
in
{
  # Also where nothing asks: a socket in it has its group from the beginning, and no daemon changes when somebody is to ask.
  groups.${group} = { };
  tmpfiles = [
    "d ${paths.statusSockets} 0755 root root -"
    (directory "watchd" "root")
    (directory "ledgerd" "daruma-ledger")
  ]
  ++ (if hasEgress then [ (directory "egressd" "daruma-egress") ] else [ ]);

  users =
    if metrics == null then
      { }
    else
      {
        ${group} = {
          description = "Daruma metrics";
          inherit group;
          home = "/var/empty";
        };
      };

  units =
    if metrics == null then
      { }
    else
      {
        "daruma-metricsd.service" = {
          Unit = {
            Description = "Daruma metrics";
            After = [ "network.target" ];
            StartLimitIntervalSec = 0;
          };
          Service =
            (if port == null then hardening.metricsd else hardening.networkedMetricsd)
            // {
              Type = "exec";
              ExecStart = text.commandLine (
                [
                  "${daruma}/bin/metricsd"
                  "--watchd"
                  (paths.statusSocket "watchd")
                  "--ledgerd"
                  (paths.statusSocket "ledgerd")
                ]
                ++ (
                  if hasEgress then
                    [
                      "--egressd"
                      (paths.statusSocket "egressd")
                    ]
                  else
                    [ ]
                )
                ++ [
                  "--socket"
                  "/run/${paths.metricsRuntime}/metrics.sock"
                  # As in packages/metrics/src/host-places.ts.
                  "--cgroup"
                  "/sys/fs/cgroup/system.slice"
                  "--disk"
                  "/"
                  "--disk"
                  "/nix"
                  "--disk"
                  paths.state
                ]
                ++ (
                  if port == null then
                    [ ]
                  else
                    [
                      "--port"
                      (toString port)
                      "--address"
                      metrics.address
                    ]
                )
              );
              User = group;
              Group = group;
              RuntimeDirectory = paths.metricsRuntime;
              RuntimeDirectoryMode = "0750";
              Restart = "always";
              RestartSec = "1s";
              TimeoutStopSec = "10s";
              # Whatever is short, supervision comes first.
              Nice = 5;
              OOMScoreAdjust = 300;
            };
          Install.WantedBy = [ "multi-user.target" ];
        };
      };

  etc = { };
  preSwitchChecks = { };
}
