# `make` alone lists the targets. Each one installs what it misses (Debian; sudo where not root), and says so.

BIN := $(or $(CARGO_TARGET_DIR),target)
SETUP := ./.ci/setup
# Outside the workspace; the same folder for what is built, so that dependencies are shared where they can be.
EXAMPLE := --manifest-path examples/zeebe-rs/Cargo.toml

# Each target runs for so long.
FUZZ_SECONDS ?= 60
# Of the images, as stack.yml and docker-compose.yml name them.
VERSION := 0.1.0
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/zeebe2faas
# What .ci/setup builds from crates.io, and Go where the system has none.
export PATH := $(CACHE)/tools/bin:$(PATH):$(CACHE)/go/go/bin

.DEFAULT_GOAL := help
.PHONY: help demo demo-zeebe test test-real test-k8s test-openfaas compose-check monitoring-check images simulate fault-matrix soak lint advisories fuzz fmt bench setup

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## Run the Pleiades chain for five couples, on the embedded engine and real OTB
	@$(SETUP) build otb
	cargo build --workspace --bins
	$(BIN)/debug/zeebe2faas-dev demo

demo-zeebe: ## The same on a real Zeebe broker
	@$(SETUP) build otb zeebe
	cargo build --workspace --bins
	$(BIN)/debug/zeebe2faas-dev demo --start-zeebe

test: ## Run the tests that need no broker
	@$(SETUP) build otb
	cargo build --workspace --bins
	cargo test --workspace

test-real: ## Run the tests on a real Zeebe broker and real OTB, with other clients, and in Chromium
	@$(SETUP) build otb zeebe zeebe-rs clients browser go
	cargo build --workspace --bins
	go build -C tests/compose -o $(CACHE)/tools/bin/compose-check .
	cargo test -p zeebe2faas-tests --test real
	cargo test -p zeebe2faas-tests --test differential
	cargo test $(EXAMPLE) --target-dir $(BIN) --test real
	node --test tests/browser/*.test.js

test-k8s: ## Run the tests on a real Kubernetes API server
	@$(SETUP) build otb k8s go
	cargo build --workspace --bins
	go build -C tests/kustomize -o $(CACHE)/tools/bin/kustomize sigs.k8s.io/kustomize/kustomize/v5
	cargo test -p zeebe2faas-tests --test kubernetes

test-openfaas: ## Run the tests before the OpenFaaS gateway at OPENFAAS_URL (docs/openfaas.md)
	@$(SETUP) build otb zeebe
	cargo build --workspace --bins
	cargo test -p zeebe2faas-tests --test openfaas

compose-check: ## Check docker-compose.yml and docker/Dockerfile with Compose's loader and BuildKit's linter
	@$(SETUP) go
	test -z "$$(gofmt -l tests/compose)"
	go vet -C tests/compose ./...
	go test -C tests/compose -count=1 ./...

monitoring-check: ## Check alerts, dashboard and traces with Prometheus' and OpenTelemetry's own code
	@$(SETUP) go
	test -z "$$(gofmt -l tests/monitoring)"
	go vet -C tests/monitoring ./...
	go test -C tests/monitoring -count=1 ./...

images: ## Build the images of docker/Dockerfile, with Docker
	for target in bridge callback-ack runner otbcli normalize-product functions; do \
		docker build -f docker/Dockerfile --target $$target \
			-t ghcr.io/zeebe2faas/$$(echo $$target | sed s/^bridge$$/zeebe2faas/):$(VERSION) . || exit 1; \
	done

simulate: ## Run SEEDS (1000) disturbed runs under virtual time, or show all that happens in one SEED
	@$(SETUP) build otb
	SEEDS=$(SEEDS) SEED=$(SEED) cargo test -p zeebe2faas-tests --test simulation -- --nocapture every_promise

fault-matrix: ## Let every fault happen at every step, and write docs/reliability.md (10 minutes)
	@$(SETUP) build zeebe
	cargo build --workspace --bins
	cargo test -p zeebe2faas-tests --test fault-matrix

soak: ## Load the bridge for SOAK_SECONDS (600), and write docs/soak.md
	@$(SETUP) build zeebe
	cargo build --workspace --bins
	cargo test -p zeebe2faas-tests --test soak

lint: ## Check formatting, lints, documentation, processes, scripts and dependencies
	@$(SETUP) build lint zeebe-rs
	cargo fmt --all --check
	cargo fmt $(EXAMPLE) --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --workspace --all-targets -- -D warnings
# Those with test = false, which --all-targets leaves out.
	cargo clippy -p zeebe2faas-tests --test '*' -- -D warnings
	cargo clippy $(EXAMPLE) --target-dir $(BIN) --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps
	cargo run --quiet -p zeebe2faas -- check --config zeebe2faas.example.toml --strict
	git ls-files -z | xargs -0 grep -lIsE '^#!.*sh$$' | xargs shellcheck
	cargo deny --log-level error check bans licenses sources
	@$(MAKE) --no-print-directory compose-check monitoring-check

advisories: ## Compare the dependencies with known vulnerabilities
	@$(SETUP) build lint
	@./.ci/advisories

fuzz: ## Feed everything that comes from outside with arbitrary bytes
	@$(SETUP) build fuzz
	@./fuzz/run $(BIN) $(FUZZ_SECONDS)

fmt: ## Format the code
	cargo fmt --all
	cargo fmt $(EXAMPLE)
	cargo fmt --manifest-path fuzz/Cargo.toml

bench: ## Measure, and write docs/performance.md
	@$(SETUP) build otb zeebe numpy
	cargo build --release --workspace --bins
	$(BIN)/release/zeebe2faas-dev bench

setup: ## Install everything that any target needs
	@$(SETUP)
