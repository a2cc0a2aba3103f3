# A deploy was the cause: the way back, by itself and by hand. The scenarios of tests/host/rollback.test.ts.
{ lib, ... }:
let
  inherit (import ./lib.nix { inherit lib; })
    dies
    fleet
    lingers
    machine
    serves
    servesUntil
    testScript
    ;

  bad = fleet { agents.web.code = dies; };
in
{
  name = "daruma-rollback";

  nodes.machine = machine {
    inherit bad;
    good = fleet { agents.web = { }; };
    two = fleet { agents.web.code = serves "two"; };
    untilBroken = fleet { agents.web.code = servesUntil "/var/broken"; };
    unproven = fleet {
      agents.web.code = serves "unproven";
      probation = "1h";
    };
    # One key that both have and that differs: NixOS then refuses to switch from one to the other while it runs.
    goodInhibits = {
      imports = [ (fleet { agents.web = { }; }) ];
      system.switch.inhibitors.daruma-test = "one";
    };
    badInhibits = {
      imports = [ bad ];
      system.switch.inhibitors.daruma-test = "two";
    };
    badAndLingers.imports = [
      bad
      lingers
    ];
  };

  testScript = testScript ''
    with subtest("A deploy whose agent dies at its start is rolled back by itself, once, and quarantined"):
        start_anew()
        good = deploy("good")
        known_good(good.path)
        old = healthy("web")
        bad = deploy("bad")
        decided = entry(action="generation.rollback")
        has(decided["details"], by="watchd", agent="web", toNumber=good.number)
        assert decided["details"]["from"] == bad.path
        entry(action="recovery.verified", subject="web")
        back_on(good.path)
        assert says("web") == "ok", "it runs its old code"
        assert healthy("web")["runId"] != old["runId"]
        assert actions().count("generation.rollback") == 1
        assert actions(incident=decided["incident"]).count("agent.exit") == 3
        assert quarantine() == [(bad.path, "web")]
        assert boots_next(good.path)
        assert machine.succeed(f"readlink -f {profile}").strip() == good.path
        reboot()
        assert current() == good.path
        healthy("web")
        assert quarantine() == [(bad.path, "web")], "it is still known after a reboot"

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

    with subtest("A person rolls back with agentctl, and the ledger has their intent first"):
        start_anew()
        good = deploy("good")
        known_good(good.path)
        second = deploy("two")
        known_good(second.path)
        # The driver's shell has a terminal for its standard input.
        code, _ = machine.execute("agentctl rollback </dev/null")
        assert code == 2, "without a terminal it wants --yes"
        assert current() == second.path
        answer = json.loads(machine.succeed("agentctl rollback --yes --json"))
        has(answer, target=good.path, targetNumber=good.number, proven=True)
        assert current() == good.path
        assert says("web") == "ok"
        told = [each for each in actions() if each.startswith("generation.roll")]
        assert told == ["generation.rollback-request", "generation.rollback", "generation.rolled-back"], told
        assert quarantine() == [], "a person's rollback condemns nothing"
        code, refusal = machine.execute(f"agentctl rollback --yes --to {good.number} --json")
        assert code == 1
        assert json.loads(refusal)["error"]["code"] == "WATCHD_E_ROLLBACK_REFUSED"

    with subtest("A person's rollback is refused while it cannot be recorded"):
        start_anew()
        known_good(deploy("good").path)
        second = deploy("two")
        known_good(second.path)
        machine.succeed("systemctl stop daruma-ledgerd.service")
        code, refusal = machine.execute("agentctl rollback --yes --json")
        assert code == 1
        assert json.loads(refusal)["error"]["code"] == "WATCHD_E_LEDGER_UNAVAILABLE"
        assert current() == second.path

    with subtest("A rollback that loses its power goes on when the machine is back"):
        start_anew()
        good = deploy("good")
        known_good(good.path)
        deploy("badAndLingers")
        machine.wait_for_file("/run/half-way")
        cut_power()
        assert current() == good.path, "what boots was set before anything moved"
        assert boots_next(good.path)
        entry(action="generation.rolled-back")
        healthy("web")
        assert actions().count("generation.quarantine") == 1

    with subtest("A rollback that a switch inhibitor forbids is what boots next, and is there once the machine has booted"):
        start_anew()
        good = deploy("goodInhibits")
        known_good(good.path)
        bad = deploy("badInhibits", "boot")
        reboot()
        assert current() == bad.path
        failed = entry(action="generation.rollback-failed")
        assert failed["subject"] == good.path
        assert "only a reboot can activate it" in json.dumps(failed["details"]), failed
        entry(action="agent.hold", subject="web", after=failed["seq"])
        assert current() == bad.path
        assert boots_next(good.path)
        reboot()
        assert current() == good.path
        healthy("web")
        assert all(each["details"]["from"] == bad.path for each in entries(action="generation.rollback"))

    with subtest("A generation that was never proven is no target: the agent is held instead"):
        start_anew()
        unproven = deploy("unproven")
        healthy("web")
        bad = deploy("bad")
        hold = entry(action="agent.hold", subject="web")
        assert "known-good-target" in str(hold["details"]["noRollback"]), hold
        assert current() == bad.path
        deploy("unproven")
        assert current() == unproven.path
        entry(action="recovery.verified", subject="web", after=hold["seq"])

    with subtest("A damaged generation is not gone back to: the one before it is, and where its agent fails too it is held"):
        start_anew()
        first = deploy("untilBroken")
        known_good(first.path)
        second = deploy("two")
        known_good(second.path)
        # The store is mounted read-only; Nix itself writes to it in a mount namespace of its own, like this.
        version = f"{second.path}/nixos-version"
        machine.succeed(
            "unshare --mount sh -c '"
            f"mount -o remount,rw,bind /nix/store && chmod u+w {version} && echo damaged >>{version}'"
        )
        last = last_entry()
        bad = deploy("bad")
        failed = entry(action="generation.rollback-failed", after=last)
        assert failed["subject"] == second.path
        entry(action="recovery.verified", subject="web", after=last)
        back_on(first.path)
        last = last_entry()
        machine.succeed("echo 1 >/var/broken")
        hold = entry(action="agent.hold", subject="web", after=last)
        assert "known-good-target" in str(hold["details"]["noRollback"]), hold
        has(entry(action="alert.raise", subject="web", after=last)["details"], kind="held")
        assert current() == first.path, "it stays where it has come back to"
        left = [each["seq"] for each in entries(action="generation.rollback")]
        assert max(left) < last, "nothing was left for what is broken or damaged"
        assert [path for path, _ in quarantine()] == [bad.path]
  '';
}
