import t from "tap";
import { dropInOf, printDropIn, readDropIn, settingsBack } from "./drop-in.ts";

const unit = (service: string, head = "After=network-online.target") =>
  `[Unit]\nDescription=Daruma agent web\n${head}\n\n[Service]\n${service}\n\n[Install]\nWantedBy=multi-user.target\n`;

t.test("a drop-in says what it was made for, and nobody else's is taken for one", async (t) => {
  const dropIn = { kind: "earlier", declared: "abc", generation: "/nix/store/x-nixos" } as const;
  const text = printDropIn(dropIn, "[Service]\nExecStart=\n");
  t.same(readDropIn(text), dropIn);
  t.match(text, /\n\[Service\]\nExecStart=\n$/);
  t.equal(readDropIn("[Service]\nRestart=no\n"), null);
  t.equal(readDropIn("# daruma-stand-in 2 earlier abc /nix/store/x\n"), null);
  t.equal(dropInOf("web"), "/run/systemd/system/daruma-agent-web.service.d/50-daruma.conf");
});

t.test(
  "going back says what differs and nothing else: lists anew, what is not said any more as unsaid",
  async (t) => {
    const then = unit(
      'Environment="PATH=/x"\nEnvironment="A=1"\nExecStart="/nix/store/old/run" "a b"\nKillSignal=SIGTERM\nUser=da-web\nReadWritePaths=-/srv',
    );
    const now = unit(
      'Environment="PATH=/x"\nEnvironment="B=2"\nExecStart="/nix/store/new/run"\nKillSignal=SIGINT\nUser=da-web\nMemoryMax=1\nWatchdogSec=5000ms',
    );
    t.equal(
      settingsBack(now, then),
      [
        "[Service]",
        "Environment=",
        'Environment="PATH=/x"',
        'Environment="A=1"',
        "ExecStart=",
        'ExecStart="/nix/store/old/run" "a b"',
        "KillSignal=SIGTERM",
        "MemoryMax=",
        "ReadWritePaths=",
        "ReadWritePaths=-/srv",
        "WatchdogSec=0",
        "",
      ].join("\n"),
    );
    t.equal(settingsBack(now, now), "[Service]\n");
  },
);

t.test("what a unit depends on cannot be taken back by a drop-in, and so is not tried", async (t) => {
  t.throws(() => settingsBack(unit("User=a", "Requires=wall.service"), unit("User=a")), /depend on/);
});
