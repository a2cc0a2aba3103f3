# Each target installs what it needs by itself; only Node (20 or newer), npm and make have to be there.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
export NODE_COMPILE_CACHE ?= $(CURDIR)/node_modules/.cache/compile

# In the large ledger of the benchmark.
ENTRIES ?= 1000000

installed := node_modules/.package-lock.json
sources := $(shell find packages scripts templates -type f -not -path '*/node_modules/*' 2>/dev/null)

.PHONY: help build demo test test-host check bench bench-ledger bench-egress bench-supervisors generate simulate clean

help:
	@echo "make demo      see a fleet healed and rolled back on this machine (under a minute)"
	@echo "make test      run every test"
	@echo "make test-host only the scenarios on a throw-away host with real systemd and Nix (root)"
	@echo "make check     format, lint, types, generated files current"
	@echo "make bench     measure schedules, compiling, scrapes, recovery and rollback, under agentctl dev and on systemd, beside other supervisors, egress beside squid and tinyproxy, drift, and the ledger (RUNS=… ENTRIES=…)"
	@echo "make bench-ledger  only the ledger"
	@echo "make bench-egress  only egress"
	@echo "make bench-supervisors  only a crash, a hang, a leak and a bad deploy beside systemd, supervisord, PM2 and s6, and the footprint (FAULTS=crash,hang,limit,trend,deploy for a part)"
	@echo "make simulate  run the policy against a simulated world (SEED=… RUNS=…)"
	@echo "make build     bundle agentctl, watchd, ledgerd and egressd into dist/"
	@echo "make generate  write the generated documents again"
	@echo "make clean     remove what was built and installed"

$(installed): package.json package-lock.json $(wildcard packages/*/package.json)
	npm ci --no-audit --no-fund --loglevel=error
	@touch $(installed)

dist/agentctl.mjs: $(installed) $(sources)
	node scripts/build.ts

build: dist/agentctl.mjs

demo: build
	@node scripts/demo/main.ts

test: $(installed)
	node scripts/test.ts $(TESTS)

# A part of `test`. Root, systemd-container and debootstrap; without them it says so and skips.
test-host: $(installed)
	node scripts/test.ts tests/host/*.test.ts

check: $(installed)
	biome check .
	tsc -p .
	node scripts/generate.ts --check

generate: $(installed)
	node scripts/generate.ts

bench: build
	node scripts/bench/schedules.ts
	node scripts/bench/routines/main.ts
	node scripts/bench/compile.ts
	node scripts/bench/metrics.ts
	node scripts/bench/supervisors/main.ts
	node scripts/bench/egress/main.ts
	node scripts/bench/drift.ts
	node packages/ledger/bench/main.ts --entries $(ENTRIES)

# A part of `bench`. With squid and tinyproxy beside it where they are installed.
bench-egress: build
	node scripts/bench/egress/main.ts

# A part of `bench`. supervisord, PM2 and s6 are fetched into ~/.cache/daruma-bench where they can be; systemd needs root, as test-host.
bench-supervisors: build
	node scripts/bench/supervisors/main.ts

# A part of `bench`.
bench-ledger: build
	node packages/ledger/bench/main.ts --entries $(ENTRIES)

simulate: $(installed)
	node scripts/simulate.ts

clean:
	rm -rf dist node_modules .tap
