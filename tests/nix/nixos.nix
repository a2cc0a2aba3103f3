# The part of NixOS that modules/ sets, with the types that NixOS gives those options (in nixpkgs' nixos/:
# lib/systemd-unit-options.nix, modules/{config/users-groups,system/etc/etc,system/boot/systemd}.nix), and its way of
# writing service units (serviceToUnit in lib/systemd-lib.nix). Enough to find a wrong option, a wrong type, a conflict between two
# definitions or an infinite recursion; not a NixOS.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;

  # Values that are lists become repeated lines and are merged; all else must be defined once, or equally.
  unitOption = lib.mkOptionType {
    name = "systemd option";
    merge =
      location: definitions:
      if lib.any (definition: lib.isList definition.value) definitions then
        lib.concatMap (definition: lib.toList definition.value) definitions
      else
        lib.mergeEqualOption location definitions;
  };

  unitName = types.strMatching "[a-zA-Z0-9@%:_.\\-]+[.](service|socket|target|path|timer|slice|mount)";

  oneOf = key: values: settings: !(settings ? ${key}) || lib.elem settings.${key} values;
  isService =
    settings:
    oneOf "Type" [
      "exec"
      "simple"
      "forking"
      "oneshot"
      "dbus"
      "notify"
      "notify-reload"
      "idle"
    ] settings
    && oneOf "Restart" [
      "no"
      "on-success"
      "on-failure"
      "on-abnormal"
      "on-abort"
      "always"
    ] settings;

  service =
    { config, ... }:
    {
      options = {
        enable = mkOption {
          type = types.bool;
          default = true;
        };
        description = mkOption {
          type = types.singleLineStr;
          default = "";
        };
        wantedBy = mkOption {
          type = types.listOf unitName;
          default = [ ];
        };
        requiredBy = mkOption {
          type = types.listOf unitName;
          default = [ ];
        };
        unitConfig = mkOption {
          type = types.attrsOf unitOption;
          default = { };
        };
        serviceConfig = mkOption {
          type = types.addCheck (types.attrsOf unitOption) isService;
          default = { };
        };
        environment = mkOption {
          type = types.attrsOf (
            types.nullOr (
              types.oneOf [
                types.str
                types.path
                types.package
              ]
            )
          );
          default = { };
        };
        path = mkOption {
          type = types.listOf (
            types.oneOf [
              types.package
              types.str
            ]
          );
          default = [ ];
        };
      };
      config = {
        path = lib.mkAfter [ "/stub/default" ];
        environment.PATH = lib.mkIf (config.path != [ ]) (lib.makeBinPath config.path);
        unitConfig = lib.mkIf (config.description != "") { Description = config.description; };
      };
    };

  watchedPath.options = {
    wantedBy = mkOption {
      type = types.listOf unitName;
      default = [ ];
    };
    unitConfig = mkOption {
      type = types.attrsOf unitOption;
      default = { };
    };
    pathConfig = mkOption {
      type = types.attrsOf unitOption;
      default = { };
    };
  };

  setting =
    name: value:
    lib.concatMapStrings (
      each:
      "${name}=${
        if each == true then
          "true"
        else if each == false then
          "false"
        else
          toString each
      }\n"
    ) (lib.toList value);
  section = settings: lib.concatStrings (lib.mapAttrsToList setting settings);

  serviceText =
    definition:
    "[Unit]\n"
    + section definition.unitConfig
    + "\n[Service]\n"
    + lib.concatStrings (
      lib.mapAttrsToList (name: value: "Environment=${builtins.toJSON "${name}=${value}"}\n") definition.environment
    )
    + section definition.serviceConfig
    + lib.optionalString (
      definition.wantedBy != [ ]
    ) "\n[Install]\nWantedBy=${lib.concatStringsSep " " definition.wantedBy}\n"
    + lib.optionalString (
      definition.requiredBy or [ ] != [ ]
    ) "\n[Install]\nRequiredBy=${lib.concatStringsSep " " definition.requiredBy}\n";

  pathText =
    definition:
    "[Unit]\n"
    + section definition.unitConfig
    + "\n[Path]\n"
    + section definition.pathConfig
    + lib.optionalString (
      definition.wantedBy != [ ]
    ) "\n[Install]\nWantedBy=${lib.concatStringsSep " " definition.wantedBy}\n";

  user =
    { name, ... }:
    {
      options = {
        name = mkOption {
          # 31 characters in NixOS, which counts them in an assertion.
          type = types.passwdEntry types.str;
          default = name;
        };
        description = mkOption {
          type = types.passwdEntry types.str;
          default = "";
        };
        group = mkOption {
          type = types.str;
          default = "";
        };
        home = mkOption {
          type = types.passwdEntry types.path;
          default = "/var/empty";
        };
        isSystemUser = mkOption {
          type = types.bool;
          default = false;
        };
      };
    };

  etcFile =
    { config, name, ... }:
    {
      options = {
        text = mkOption {
          type = types.nullOr types.lines;
          default = null;
        };
        source = mkOption { type = types.path; };
        mode = mkOption {
          type = types.str;
          default = "symlink";
        };
      };
      config.source = lib.mkIf (config.text != null) (pkgs.writeText name config.text);
    };

  # What the machines of tests/nixos set besides, and nothing here looks into.
  anything = mkOption {
    type = types.attrsOf types.anything;
    default = { };
  };
in
{
  options = {
    assertions = mkOption {
      type = types.listOf types.unspecified;
      default = [ ];
    };
    warnings = mkOption {
      type = types.listOf types.str;
      default = [ ];
    };
    boot.growPartition = mkOption {
      type = types.bool;
      default = false;
    };
    boot.loader.efi = anything;
    boot.loader.timeout = mkOption {
      type = types.int;
      default = 5;
    };
    boot.loader.systemd-boot.enable = mkOption {
      type = types.bool;
      default = false;
    };
    documentation.nixos.enable = mkOption {
      type = types.bool;
      default = true;
    };
    environment.etc = mkOption {
      type = types.attrsOf (types.submodule etcFile);
      default = { };
    };
    environment.systemPackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
    };
    networking.hosts = mkOption {
      type = types.attrsOf (types.listOf types.str);
      default = { };
    };
    nix.package = mkOption {
      type = types.package;
      default = pkgs.nix;
    };
    nix.settings = anything;
    specialisation = mkOption {
      type = types.attrsOf types.unspecified;
      default = { };
    };
    system.build = mkOption {
      type = types.submodule { freeformType = types.lazyAttrsOf types.unspecified; };
      default = { };
    };
    system.configurationRevision = mkOption {
      type = types.nullOr types.str;
      default = null;
    };
    system.checks = mkOption {
      type = types.listOf types.package;
      default = [ ];
    };
    system.preSwitchChecks = mkOption {
      type = types.attrsOf types.str;
      default = { };
    };
    system.switch = anything;
    systemd.package = mkOption {
      type = types.package;
      default = pkgs.systemd;
    };
    systemd.paths = mkOption {
      type = types.attrsOf (types.submodule watchedPath);
      default = { };
    };
    systemd.services = mkOption {
      type = types.attrsOf (types.submodule service);
      default = { };
    };
    systemd.tmpfiles.rules = mkOption {
      type = types.listOf types.str;
      default = [ ];
    };
    systemd.units = mkOption {
      type = types.attrsOf types.unspecified;
      default = { };
    };
    users.users = mkOption {
      type = types.attrsOf (types.submodule user);
      default = { };
    };
    users.groups = mkOption {
      type = types.attrsOf (types.submodule { });
      default = { };
    };
    virtualisation = anything;
  };

  config = {
    systemd.units =
      let
        units = suffix: textOf: lib.mapAttrs' (name: each: lib.nameValuePair (name + suffix) (textOf each));
      in
      units ".service" serviceText config.systemd.services // units ".path" pathText config.systemd.paths;

    # As a toplevel does: everything is in it, and what is wrong with the configuration comes first.
    system.build.toplevel =
      let
        failed = map (each: each.message) (lib.filter (each: !each.assertion) config.assertions);
      in
      if failed != [ ] then
        throw (lib.concatStringsSep "\n" failed)
      else
        pkgs.writeText "toplevel" (
          builtins.toJSON {
            inherit (config.systemd) units;
            inherit (config.systemd.tmpfiles) rules;
            inherit (config) users warnings;
            etc = lib.mapAttrs (_: file: "${file.source}") config.environment.etc;
            packages = map toString config.environment.systemPackages;
            checks = map toString config.system.checks;
            revision = config.system.configurationRevision;
            manual = config.documentation.nixos.enable;
            specialisation = lib.attrNames config.specialisation;
            switchInhibitors = config.system.switch.inhibitors or { };
          }
        );
  };
}
