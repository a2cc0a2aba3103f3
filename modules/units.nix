# From services.daruma to everything that is on a host: units, users, directories, hooks and host.json. Pure, with
# builtins only: the NixOS modules (agents.nix, routines.nix, watchdog.nix, ledger.nix) and the test host use the same function.
{
  # The value of services.daruma (options.nix), with every default filled in.
  spec,
  # runtimeShell, coreutils, nix and systemd are taken from it.
  pkgs,
  # The package with bin/{agentctl,watchd,ledgerd} and libexec/daruma/{rollback,watchd-failed,pre-switch,stand-ins,boot-complete}.
  daruma ? pkgs.daruma,
  # A string that changes when something of the host changes that is neither an agent nor Daruma: another kernel,
  # another package, another service. That an agent fails after such a change can be the change's fault.
  hostSeed,
}:
let
  inherit (builtins)
    attrNames
    attrValues
    concatLists
    concatStringsSep
    filter
    foldl'
    listToAttrs
    mapAttrs
    removeAttrs
    toJSON
    ;
  text = import ./units/text.nix;
  paths = import ./units/paths.nix;

  failed = filter (each: !each.assertion) (import ./asserts.nix spec);
  checked = if failed == [ ] then spec else throw (concatStringsSep "\n" (map (each: each.message) failed));

  path = concatStringsSep ":" (
    map (package: "${package}/bin") [
      pkgs.coreutils
      pkgs.nix
      pkgs.systemd
    ]
  );

  daemonsWith =
    credentials:
    import ./units/daemons.nix {
      spec = checked;
      inherit daruma path credentials;
    };
  alerts = import ./units/alerts.nix checked;
  daemons = daemonsWith alerts.credentials;

  hooks = import ./units/hooks.nix {
    shell = pkgs.runtimeShell;
    inherit daruma path;
  };

  # Names of them -> their files in /etc.
  programs =
    names:
    listToAttrs (
      map (name: {
        name = "daruma/bin/${name}";
        value = {
          text = hooks.${name};
          executable = true;
        };
      }) names
    );

  hostManifest = import ./units/manifest.nix {
    spec = checked;
    rest = {
      inherit hostSeed;
      # Another release of Daruma, or another sandbox, can make an agent fail as well.
      inherit hooks;
      # Whom to tell is not in it: it cannot.
      daemons = daemonsWith { };
      template = import ./units/agent.nix {
        name = "template";
        agent = import ./units/template.nix;
        digest = "";
      };
      # The same with a wall around it.
      confined = import ./units/agent.nix {
        name = "template";
        agent = import ./units/template.nix;
        digest = "";
        egress = {
          mode = "enforce";
          port = 1;
        };
      };
    };
  };

  agents = import ./units/agents.nix {
    inherit (checked) agents;
    manifests = hostManifest.agents;
    inherit directory programs;
  };

  routines = import ./units/routines.nix {
    inherit (checked) routines;
    manifests = hostManifest.routines;
    inherit directory;
  };

  # Rules that are only observed need the proxy and no wall.
  withRules = filterSubjects (egress: egress != null);
  confined = filterSubjects (egress: egress != null && egress.mode == "enforce");
  filterSubjects =
    wanted: removeAttrs egressBySubject (filter (name: !wanted egressBySubject.${name}) (attrNames egressBySubject));
  egressBySubject = mapAttrs (_: agent: agent.egress) hostManifest.agents // routines.egressBySubject;
  # What alerts are sent to is reached through it as well.
  hasEgressd = withRules != { } || alerts.isUsed;
  wall = import ./units/wall.nix {
    inherit confined daruma;
    path = "${path}:${pkgs.nftables}/bin";
  };

  directory =
    {
      path,
      mode,
      user ? "root",
      group ? "root",
    }:
    "d ${path} ${mode} ${user} ${group} -";

  parts = {
    inherit agents;

    routines = routines.part;

    watchdog = {
      units = {
        inherit (daemons)
          "daruma-watchd.service"
          "daruma-watchd-failed.service"
          "daruma-stand-ins.service"
          ;
      };
      users = { };
      groups = { };
      tmpfiles =
        map directory [
          {
            path = paths.state;
            mode = "0755";
          }
          {
            path = paths.watchdState;
            mode = "0700";
          }
          {
            path = paths.stopped;
            mode = "0755";
          }
          {
            path = paths.runtime;
            mode = "0755";
          }
          {
            path = paths.exits;
            mode = "0700";
          }
          {
            path = paths.agentSockets;
            mode = "0755";
          }
          {
            path = paths.routineSockets;
            mode = "0755";
          }
          {
            path = paths.routineRuns;
            mode = "0700";
          }
          {
            path = paths.gcRoots;
            mode = "0755";
          }
        ];
      etc = {
        "daruma/host.json" = {
          text = toJSON hostManifest + "\n";
          executable = false;
        };
      }
      // programs [
        "rollback"
        "boot-complete"
        "stand-ins"
        "watchd-failed"
      ];
      preSwitchChecks.daruma = hooks.pre-switch;
    };

    metrics = import ./units/metrics.nix {
      spec = checked;
      inherit daruma;
      hasEgress = withRules != { };
    };

    egress =
      if !hasEgressd then
        {
          units = { };
          users = { };
          groups = { };
          etc = { };
          tmpfiles = [ ];
          preSwitchChecks = { };
        }
      else
        {
          units =
            if confined == { } then { inherit (wall.units) "daruma-egressd.service"; } else wall.units;
          users.daruma-egress = {
            description = "Daruma egress";
            group = "daruma-egress";
            home = "/var/empty";
          };
          groups.daruma-egress = { };
          etc = if confined == { } then { } else wall.etc;
          tmpfiles = [ ];
          preSwitchChecks = { };
        };

    ledger = {
      units = {
        inherit (daemons) "daruma-ledgerd.service";
      };
      users.daruma-ledger = {
        description = "Daruma ledger";
        group = "daruma-ledger";
        home = paths.ledgerState;
      };
      groups.daruma-ledger = { };
      tmpfiles = map directory [
        {
          path = paths.ledgerState;
          mode = "0700";
          user = "daruma-ledger";
          group = "daruma-ledger";
        }
        {
          path = paths.ledgerSockets;
          # Sockets inherit the group.
          mode = "2750";
          user = "daruma-ledger";
          group = "daruma-ledger";
        }
        {
          path = paths.egressLedger;
          mode = "2750";
          user = "daruma-ledger";
          # egressd's own socket, and no other, is open to it.
          group = if hasEgressd then "daruma-egress" else "daruma-ledger";
        }
      ];
      etc = { };
      preSwitchChecks = { };
    };
  };

  all = kind: foldl' (sum: part: sum // part.${kind}) { } (attrValues parts);
in
{
  # By the module that sets them up: agents, routines, egress, watchdog, ledger. Each has what follows here for all of them together.
  inherit parts;

  # File name -> sections -> settings: a string, number or boolean, or a list of those for repeated lines. Values are
  # escaped already. Install.WantedBy is a list.
  units = all "units";
  # File name -> text of the unit file.
  unitTexts = mapAttrs (_: text.unitText) (all "units");
  # Name -> { description, group, home }: system users that do not log in.
  users = all "users";
  # Name -> { }.
  groups = all "groups";
  # Lines as in tmpfiles.d(5), parents before what is in them.
  tmpfiles = concatLists [
    parts.watchdog.tmpfiles
    parts.ledger.tmpfiles
    parts.agents.tmpfiles
    parts.metrics.tmpfiles
    parts.routines.tmpfiles
  ];
  # Path below /etc -> { text, executable }.
  etc = all "etc";
  # Name -> shell: what may refuse a switch to this generation ($1 is its toplevel, $2 the action).
  preSwitchChecks = all "preSwitchChecks";
  inherit hostManifest;
}
