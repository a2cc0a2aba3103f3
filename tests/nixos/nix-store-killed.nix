# A check of the store that is cut off says nothing about the store.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; })
    bad
    good
    machine
    testScript
    unproven
    ;
in
{
  name = "daruma-nix-store-killed";

  nodes.machine = machine { inherit bad good unproven; };

  testScript = testScript ''
    with subtest("A nix-store that is killed costs neither the proof of a generation nor a rollback"):
        start_anew()
        deploy("unproven")
        # What looks for drift asks as well, in a unit of its own.
        once = '[ $PPID -ne 1 ] && [ "$1" = --verify-path ] && [ ! -e /run/killed ] && : >/run/killed && kill -TERM $$'
        before_program("nix-store", once)
        good = deploy("good")
        unread = entry(action="generation.promotion-failed")
        assert unread["subject"] == good.path
        has(unread["details"], message="nix-store: SIGTERM")
        known_good(good.path)
        machine.succeed("rm /run/killed")
        deploy("bad")
        entry(action="generation.rolled-back")
        back_on(good.path)
        machine.succeed("test -e /run/killed")
        assert "generation.damaged" not in actions()
  '';
}
