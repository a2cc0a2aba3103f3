# The routines of a host: the template of the runs of each, its user, and where its runs have their files and sockets.
{
  # services.daruma.routines
  routines,
  # The same as host.json has them.
  manifests,
  # A line of tmpfiles.d(5).
  directory,
}:
let
  inherit (builtins)
    attrNames
    concatMap
    listToAttrs
    ;
  paths = import ./paths.nix;
  names = attrNames routines;
  byName =
    nameOf: make:
    listToAttrs (
      map (name: {
        name = nameOf name;
        value = make name;
      }) names
    );
  userOf = name: (paths.routine name).user;
in
{
  egressBySubject = byName paths.routineSubject (name: manifests.${name}.egress);

  part = {
    units = byName (name: "daruma-routine-${name}@.service") (
      name:
      import ./routine.nix {
        inherit name;
        routine = routines.${name};
        inherit (manifests.${name}) digest egress;
      }
    );
    users = byName userOf (name: {
      description = "Daruma routine ${name}";
      group = userOf name;
      home = (paths.routine name).home;
    });
    groups = byName userOf (_: { });
    tmpfiles = [
      (directory {
        path = "${paths.state}/routines";
        mode = "0755";
      })
    ]
    # What watchd makes in them for a run inherits the group: it is the routine's, and nobody else can enter.
    ++ concatMap (
      name:
      map
        (
          path:
          directory {
            inherit path;
            mode = "2750";
            group = userOf name;
          }
        )
        [
          (paths.routine name).home
          (paths.routine name).sockets
        ]
    ) names;
    etc = { };
    preSwitchChecks = { };
  };
}
