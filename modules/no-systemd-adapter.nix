# The units, users and files of a host are written and tested, but this release's watchd runs agents as child processes
# only. Switched on, it could not start, and what stands by for that would roll the host back: so it is refused here.
{ config, lib, ... }:
{
  config = lib.mkIf config.services.daruma.enable {
    assertions = [
      {
        assertion = false;
        message = "services.daruma.enable: this release cannot run on NixOS yet, because its watchdog has no systemd adapter. Use `agentctl dev`.";
      }
    ];
  };
}
