import t from "tap";
import { parseArguments } from "./arguments.ts";

const places = ["--state=/s", "--runtime=/r", "--ledger=/l", "--socket", "/x"];

t.test("agents are units, or processes with a directory of generations", async (t) => {
  const common = {
    state: "/s",
    runtime: "/r",
    ledger: "/l",
    socket: "/x",
    statusSocket: null,
    exitWithParent: false,
  };
  t.same(parseArguments([...places, "--systemd"]), { ...common, generations: null });
  t.same(parseArguments([...places, "--generations=/g", "--exit-with-parent"]), {
    ...common,
    generations: "/g",
    exitWithParent: true,
  });
});

t.test("what cannot be meant is refused, and says why", async (t) => {
  const refused = (argv: readonly string[], message: RegExp) =>
    t.throws(() => parseArguments(argv), { code: "WATCHD_E_USAGE", message });
  refused(places, /--generations and --systemd/);
  refused([...places, "--systemd", "--generations=/g"], /--generations and --systemd/);
  for (const name of ["state", "runtime", "ledger", "socket"]) {
    const without = [...places.slice(0, 3), "--socket=/x", "--systemd"].filter(
      (argument) => !argument.startsWith(`--${name}=`),
    );
    refused(without, new RegExp(`--${name} is missing`));
  }
  refused([...places, "--systemd", "--unknown"], /--unknown/);
  refused([...places, "--systemd", "stray"], /stray/);
  refused([...places, "--systemd=yes"], /--systemd/);
  refused(["--state"], /--state/);
});
