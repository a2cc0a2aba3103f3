# What every test script begins with: a machine that is as new, deploys as nixos-rebuild makes them, and what Daruma says.
# lib.nix adds `toplevels`, the store paths of the deploys by their names. The driver has `machine` and `subtest`.
import json
import os
import re
import shlex
import time
from typing import Any, Callable, NamedTuple, Optional

Json = dict[str, Any]


class Deployment(NamedTuple):
    # The toplevel in the machine's store.
    path: str
    # The generation's number in the system profile.
    number: int
    # Of switch-to-configuration.
    exit_code: int


profile = "/nix/var/nix/profiles/system"
# Also without KVM, where a program of Node takes seconds to start.
within_seconds = 300


def start_anew() -> None:
    """A machine as an installer leaves it, for each scenario: nothing that one did (quarantine, spent budgets, the
    ledger) can help or harm the next. The disk is an overlay over the image that lib.nix asks for, and QEMU's start
    script makes what is not there."""
    machine.crash()
    for variable, name in {"NIX_DISK_IMAGE": "disk.qcow2", "NIX_EFI_VARS": "efi-vars.fd"}.items():
        file = machine.state_dir / name
        file.unlink(missing_ok=True)
        os.environ[variable] = str(file)
    boot()


def boot() -> None:
    machine.start()
    machine.wait_for_unit("multi-user.target")


def reboot() -> None:
    """In order. The driver starts QEMU with -no-reboot, so that off and on are two steps."""
    machine.shutdown()
    boot()


def cut_power() -> None:
    """What was not synced is lost."""
    machine.crash()
    boot()


def until(what: str, look: Callable[[], Any]) -> Any:
    """Asks again and again until there is an answer."""
    deadline = time.monotonic() + within_seconds
    while True:
        found = look()
        if found is not None:
            return found
        assert time.monotonic() < deadline, f"not within {within_seconds} s: {what}"
        time.sleep(0.2)


def set_profile(path: str) -> int:
    """As nixos-rebuild does it. Returns the generation's number."""
    machine.succeed(f"test -f {path}/nixos-version", f"nix-env -p {profile} --set {path}")
    link = machine.succeed(f"readlink {profile}").strip()
    return int(link.removeprefix("system-").removesuffix("-link"))


def switch_to(path: str, action: str) -> int:
    """The command of nixos-rebuild: a unit that outlives whoever asked for it, under the name that keeps others out."""
    code, _ = machine.execute(
        "NIXOS_INSTALL_BOOTLOADER=0 systemd-run -E LOCALE_ARCHIVE -E NIXOS_INSTALL_BOOTLOADER --collect "
        "--no-ask-password --pipe --quiet --service-type=exec --unit=nixos-rebuild-switch-to-configuration "
        f"{path}/bin/switch-to-configuration {action} </dev/null"
    )
    return code


def deploy(name: str, action: str = "switch") -> Deployment:
    """Makes it the newest generation of the system profile, and switches."""
    path = toplevels[name]
    number = set_profile(path)
    return Deployment(path, number, switch_to(path, action))


def current() -> str:
    return machine.succeed("readlink -f /run/current-system").strip()


def boots_next(path: str) -> bool:
    """Whether the default entry of the boot loader is a generation of this toplevel. How entry files are named differs
    between releases of NixOS, so this goes by what is in them."""
    code, _ = machine.execute(
        "entry=$(sed -n 's/^default //p' /boot/loader/loader.conf) && "
        f'grep --quiet --fixed-strings "init={path}/init" "/boot/loader/entries/$entry"'
    )
    return code == 0


def ask(socket: str, route: str) -> Optional[str]:
    """What a person would ask with agentctl; from the sockets themselves, since agentctl takes longer to start."""
    code, answer = machine.execute(
        f"curl --silent --fail --max-time 10 --unix-socket {socket} http://localhost{route}"
    )
    return answer if code == 0 else None


def status() -> Optional[Json]:
    """Of watchd; nothing while it is away."""
    answer = ask("/run/daruma/watchd.sock", "/v1/status")
    return None if answer is None else json.loads(answer)


def agent(name: str) -> Optional[Json]:
    found = status() or {"agents": []}
    return next((each for each in found["agents"] if each["name"] == name), None)


def quarantine() -> list[tuple[str, str]]:
    found = status() or {"quarantine": []}
    return [(each["path"], each["agent"]) for each in found["quarantine"]]


def entries(**fields: str) -> list[Json]:
    """Of the whole ledger, those with these fields; none while ledgerd is away."""
    answer = ask("/run/daruma/ledger/operator.sock", "/v1/entries") or ""
    told = [json.loads(line) for line in answer.splitlines()]
    return [each for each in told if all(each.get(key) == value for key, value in fields.items())]


def actions(**fields: str) -> list[str]:
    return [each["action"] for each in entries(**fields)]


def last_entry() -> int:
    """Its number."""
    return max((each["seq"] for each in entries()), default=0)


def entry(after: int = 0, **fields: str) -> Json:
    """The first entry with these fields and a number above `after`, as soon as the ledger has it."""
    return until(
        f"an entry {fields} after number {after}",
        lambda: next((each for each in entries(**fields) if each["seq"] > after), None),
    )


def healthy(name: str) -> Json:
    """Waits until the agent is; returns its status."""

    def look() -> Optional[Json]:
        found = agent(name)
        return found if found is not None and found["phase"] == "healthy" else None

    return until(f"{name} is healthy", look)


def known_good(path: str) -> None:
    """Waits until the generation is."""

    def look() -> Optional[bool]:
        generation = (status() or {}).get("generation")
        return True if generation and generation["path"] == path and generation["knownGood"] else None

    until(f"{path} is known-good", look)


def back_on(path: str) -> None:
    """Waits until watchd sees this generation and no rollback."""

    def look() -> Optional[bool]:
        found = status() or {}
        generation = found.get("generation")
        return True if generation and generation["path"] == path and found["rollback"] is None else None

    until(f"{path} is current, and nothing is under way", look)
    assert current() == path


def pid_of(name: str) -> int:
    """Main process of an agent as systemd knows it; 0 where there is none."""
    return int(machine.get_unit_property(f"daruma-agent-{name}.service", "MainPID"))


def put(text: str, path: str) -> None:
    """In one step: an agent that looks meanwhile sees all of it or nothing."""
    machine.succeed(f"printf '%s\\n' {shlex.quote(text)} >{path}.new && mv {path}.new {path}")


def before_program(name: str, lines: str, settings: str = "") -> None:
    """Has watchd, and nobody else, run lines of shell before a program of its PATH; and gives its unit these settings."""
    shown = machine.succeed("systemctl show --property=Environment daruma-watchd.service")
    found = re.search(r"PATH=(\S+)", shown)
    assert found is not None, shown
    programs = found.group(1)
    unit = "/run/systemd/system/daruma-watchd.service.d"
    machine.succeed(f"mkdir -p /run/before {unit}")
    put(f'#!/bin/sh\nPATH={programs}\n{lines}\nexec {name} "$@"\n', f"/run/before/{name}")
    put(f'[Service]\nEnvironment="PATH=/run/before:{programs}"\n{settings}\n', f"{unit}/90-before.conf")
    machine.succeed(
        f"chmod 755 /run/before/{name}",
        "systemctl daemon-reload",
        "systemctl restart daruma-watchd.service",
    )


def says(name: str) -> str:
    """What the agent `web` or `other` answers."""
    return machine.succeed(f"curl --silent --fail http://127.0.0.1:{ports[name]}/")


def has(found: Json, **wanted: Any) -> None:
    """Fails where a field of `found` has another value."""
    for key, value in wanted.items():
        assert found.get(key) == value, f"{key} should be {value!r} in {found}"


def ledger_verifies() -> None:
    machine.succeed("agentctl ledger export --out /root/audit.jsonl", "agentctl ledger verify /root/audit.jsonl")


