# ledgerd, the only writer of the ledger, and who outside the host sees what it has signed.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkOption types;
  cfg = config.services.daruma;
in
{
  # Not in the fleet file: where a host's witnesses are, and their keys, is for whoever runs the hosts to say.
  options.services.daruma.ledger = {
    checkpointEntries = mkOption {
      type = types.nullOr types.ints.positive;
      default = null;
      description = ''
        A checkpoint is signed, and handed to the witnesses, once there are so many new entries. Without it: 5,000.
      '';
      example = 1000;
    };

    checkpointSeconds = mkOption {
      type = types.nullOr types.ints.positive;
      default = null;
      description = ''
        A checkpoint is signed, and handed to the witnesses, so many seconds after the first entry that none covers. It is the
        window in which whoever owns the disk can change what nobody else has seen. Without it: 60.
      '';
      example = 10;
    };

    witnesses = mkOption {
      type = types.listOf (
        types.submodule {
          options = {
            url = mkOption {
              type = types.str;
              description = "Where it serves C2SP tlog-witness.";
            };
            key = mkOption {
              type = types.str;
              description = "Its vkey, as `ledgerd witness` prints it. It is public.";
            };
          };
        }
      );
      default = [ ];
      description = ''
        Other hosts that cosign the ledger's checkpoints, such as `ledgerd witness`. With one, ledgerd may use the network;
        without, and without commands, it has none.
      '';
      example = [
        {
          url = "http://witness.example.org:7380";
          key = "witness.example.org+8a5d28dd+BJ...";
        }
      ];
    };

    witnessFiles = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = ''
        Files to which each checkpoint is appended: on another machine's disk, or with the append-only attribute. Their directories
        have to be there, and be writable for the user daruma-ledger.
      '';
      example = [ "/mnt/elsewhere/etl-01.jsonl" ];
    };

    witnessCommands = mkOption {
      type = types.listOf types.str;
      default = [ ];
      description = ''
        Programs that get each checkpoint on stdin, within ledgerd's sandbox but with the network, and keep it outside the host.
      '';
      example = lib.literalExpression ''[ "''${pkgs.keep-checkpoint}/bin/keep-checkpoint" ]'';
    };
  };

  config = lib.mkIf cfg.enable (import ./to-nixos.nix { inherit lib pkgs; } cfg.build.parts.ledger);
}
