# What the agents of a host are there: their units, users, directories and hooks.
{
  # services.daruma.agents, and what host.json says of them.
  agents,
  manifests,
  # { path, mode, user, group } -> a line as in tmpfiles.d(5).
  directory,
  # Names of scripts that units call -> their files in /etc.
  programs,
}:
let
  inherit (builtins) attrNames filter listToAttrs;
  paths = import ./paths.nix;

  names = attrNames agents;

  unit =
    name:
    import ./agent.nix {
      inherit name;
      agent = agents.${name};
      inherit (manifests.${name}) digest egress;
    };

  forAgents =
    make:
    listToAttrs (
      map (name: {
        name = (paths.agent name).user;
        value = make name;
      }) names
    );

  # What stands in for an agent's own settings once watchd says so.
  fallbacks = listToAttrs (
    map (name: {
      name = "daruma/fallbacks/${name}.conf";
      value = {
        text = import ./fallback.nix {
          inherit name;
          agent = agents.${name};
          manifest = manifests.${name};
        };
        executable = false;
      };
    }) (filter (name: manifests.${name} ? fallback) names)
  );
in
{
  units = listToAttrs (
    map (name: {
      name = "daruma-agent-${name}.service";
      value = unit name;
    }) names
  );
  users = forAgents (name: {
    description = "Daruma agent ${name}";
    group = (paths.agent name).user;
    home = (paths.agent name).stateDir;
  });
  groups = forAgents (_: { });
  tmpfiles = [
    (directory {
      path = "${paths.state}/agents";
      mode = "0755";
    })
  ]
  ++ map (
    name:
    directory {
      path = (paths.agent name).home;
      mode = "0750";
      group = (paths.agent name).user;
    }
  ) names
  # What watchd makes in it inherits the group: the socket is the agent's, and nobody else can enter.
  ++ map (
    name:
    directory {
      path = (paths.agent name).socketDirectory;
      mode = "2750";
      group = (paths.agent name).user;
    }
  ) names;
  etc =
    programs [
      "exit-hook"
      "stop-hook"
    ]
    // fallbacks;
  preSwitchChecks = { };
}
