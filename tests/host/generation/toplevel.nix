# Stands in for nixos/modules/system/activation/top-level.nix: from configurations to a system that can be switched to.
# A configuration is `{ pkgs, ... }: { … }`, as a generated host file is. Of NixOS's options it understands those below;
# any other is an error. `testHost` is ours: what no NixOS configuration can ask for, but a test has to.
{
  # Paths of Nix files, merged; the same option set twice is an error, lists are joined.
  configurations,
}:
let
  inherit (builtins)
    attrNames
    attrValues
    concatLists
    concatMap
    concatStringsSep
    filter
    foldl'
    hashString
    intersectAttrs
    isAttrs
    isList
    mapAttrs
    removeAttrs
    toJSON
    unsafeDiscardStringContext
    ;
  pkgs = import ./packages.nix;

  # Packages are attribute sets, too, but not ones to look into.
  isSet = value: isAttrs value && value.type or "" != "derivation";

  merge =
    at: a: b:
    if isSet a && isSet b then
      a // b // mapAttrs (name: _: merge (at ++ [ name ]) a.${name} b.${name}) (intersectAttrs a b)
    else if isList a && isList b then
      a ++ b
    else
      throw "${concatStringsSep "." at} is set twice";

  defaults = {
    environment = {
      etc = { };
      systemPackages = [ ];
    };
    services = { };
    system = {
      activationScripts = { };
      build = { };
      preSwitchChecks = { };
      switch.inhibitors = { };
    };
    systemd = {
      tmpfiles.rules = [ ];
      units = { };
    };
    testHost = { };
    users = {
      groups = { };
      users = { };
    };
  };

  # What an option that holds a fixed set of others may have.
  known = {
    environment = defaults.environment;
    services.daruma = null;
    system = defaults.system;
    systemd = defaults.systemd;
    testHost.initInterfaceVersion = null;
    users = defaults.users;
  };

  checked =
    at: allowed: value:
    foldl' (
      rest: name:
      if allowed ? ${name} then
        rest
      else
        throw "the test host knows no option ${concatStringsSep "." (at ++ [ name ])}"
    ) value (attrNames value);

  apply = value: if isAttrs value then value else value { inherit pkgs; };

  merged = foldl' (merge [ ]) defaults (map (file: apply (import file)) configurations);
  config = mapAttrs (name: checked [ name ] known.${name}) (checked [ ] known merged);

  # As modules/default.nix does it.
  spec = config.services.daruma or { };
  package = spec.package or pkgs.daruma;
  daruma =
    if spec.enable or false then
      import ../../../modules/units.nix {
        inherit pkgs;
        spec = removeAttrs spec [
          "hostSeed"
          "package"
        ];
        daruma = package;
        hostSeed = spec.hostSeed or (hashString "sha256" (unsafeDiscardStringContext (toJSON rest)));
      }
    else
      {
        units = { };
        unitTexts = { };
        users = { };
        groups = { };
        tmpfiles = [ ];
        etc = { };
        preSwitchChecks = { };
      };

  # What this system would be without Daruma.
  rest = removeAttrs config [ "services" ];

  tmpfiles = base.tmpfiles ++ daruma.tmpfiles ++ config.systemd.tmpfiles.rules;
  base = import ./base-units.nix { triggers = hashString "sha256" (toJSON tmpfiles); };

  unitTexts = base.unitTexts // daruma.unitTexts // mapAttrs (_: unit: unit.text) config.systemd.units;

  # TARGET UNIT: what is in which target's .wants or .requires.
  links =
    suffix: field: units:
    concatMap (name: map (target: "${target}.${suffix} ${name}") (field units.${name})) (attrNames units);
  wants =
    links "wants" (unit: unit.Install.WantedBy or [ ]) daruma.units
    ++ links "wants" (unit: unit.wantedBy or [ ]) config.systemd.units
    ++ links "requires" (unit: unit.requiredBy or [ ]) (base.units // config.systemd.units);

  users = daruma.users // config.users.users;
  groups = daruma.groups // config.users.groups;
  userTable = concatStringsSep "" (
    map (name: "group\t${name}\n") (attrNames groups)
    ++ map (
      name:
      let
        user = users.${name};
      in
      "user\t${name}\t${user.group}\t${user.home or "/var/empty"}\t${user.description or ""}\n"
    ) (attrNames users)
  );

  activationScripts = attrValues config.system.activationScripts;
  snippets = ''
    #!/bin/bash
    _status=0
    trap "_status=1" ERR
    systemConfig=$1
    ${concatStringsSep "\n" activationScripts}
    exit $_status
  '';

  preSwitchChecks = config.system.preSwitchChecks // daruma.preSwitchChecks // {
    switchInhibitors = ". ${./switch-inhibitors.sh}";
  };
  preSwitchCheck = ''
    #!/bin/bash
    set -uo pipefail
    exec >&2
    ${concatStringsSep "\n" (
      map (name: ''
        (
          set -e
          ${preSwitchChecks.${name}}
        )
        if [ $? -ne 0 ]; then
          echo "Pre-switch check '${name}' failed"
          exit 1
        fi
      '') (attrNames preSwitchChecks)
    )}
  '';

  perl = "/usr/bin/perl -I${./switch}";
  installBootLoader = config.system.build.installBootLoader or "${perl} ${./switch}/install-bootloader.pl";
  switchToConfiguration = ''
    #!${perl}
    @ENV{qw(OUT TOPLEVEL)} = ('@out@') x 2;
    $ENV{INSTALL_BOOTLOADER} = '${installBootLoader}';
    $ENV{PRE_SWITCH_CHECK} = '@out@/libexec/pre-switch-checks';
    require 'switch-to-configuration.pl';
  '';

  activate = ''
    #!${perl}
    $ENV{USERS} = '@out@/libexec/users';
    ${if activationScripts == [ ] then "" else "$ENV{SNIPPETS} = '@out@/libexec/snippets';"}
    require 'activate.pl';
  '';

  # Path below the toplevel -> text.
  files = {
    "nixos-version" = "26.05.test-host\n";
    "init-interface-version" = config.testHost.initInterfaceVersion or "systemd 2";
    "switch-inhibitors" = toJSON config.system.switch.inhibitors;
    "libexec/users" = userTable;
    "etc/tmpfiles.d/00-nixos.conf" = concatStringsSep "" (map (rule: rule + "\n") tmpfiles);
  }
  // prefixed "units/" unitTexts
  // prefixed "etc/" (mapAttrs (_: file: file.text) plainEtc);

  # The same for files that are run; @out@ in them becomes the toplevel.
  programs = {
    "bin/switch-to-configuration" = switchToConfiguration;
    "libexec/pre-switch-checks" = preSwitchCheck;
    "libexec/snippets" = snippets;
    inherit activate;
  }
  // prefixed "etc/" (mapAttrs (_: file: file.text) executableEtc);

  etc = daruma.etc // config.environment.etc;
  isExecutable = file: file.executable or false;
  only = predicate: set: removeAttrs set (filter (name: !predicate set.${name}) (attrNames set));
  executableEtc = only isExecutable etc;
  plainEtc = only (file: !isExecutable file) etc;

  prefixed =
    prefix: set:
    builtins.listToAttrs (
      map (name: {
        name = prefix + name;
        value = set.${name};
      }) (attrNames set)
    );
in
pkgs.build "nixos-system-test-host" {
  inherit files programs wants;
  targets = base.debianTargets;
  packages = config.environment.systemPackages ++ (if spec.enable or false then [ package ] else [ ]);
} ". ${./toplevel.sh}"
