# `nix-collect-garbage -d` takes every profile's past away, and not the way back.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; })
    bad
    fleet
    good
    machine
    serves
    testScript
    unproven
    ;
in
{
  name = "daruma-garbage-collection-keeps-the-parachute";

  nodes.machine = machine {
    inherit bad good unproven;
    # Never deployed: it is gone afterwards, which shows that garbage was collected.
    two = fleet { agents.web.code = serves "two"; };
  };

  testScript = testScript ''
    with subtest("The way back is there after the garbage was collected"):
        start_anew()
        good = deploy("good")
        known_good(good.path)
        # What runs is a root too, so it must be something else that runs.
        unproven = deploy("unproven")
        healthy("web")
        machine.succeed(f"nix-store --realise {toplevels['bad']} --add-root /root/to-be-deployed")
        machine.succeed("nix-collect-garbage -d")
        links = machine.succeed("readlink -f /nix/var/nix/profiles/system-*-link").split()
        assert links == [unproven.path], "no profile keeps it"
        machine.fail(f"nix-store --check-validity {toplevels['two']}")
        deploy("bad")
        entry(action="generation.rolled-back")
        back_on(good.path)
        healthy("web")
  '';
}
