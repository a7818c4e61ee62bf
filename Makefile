# Whitewater. `make help` lists what can be made.

GO ?= go
BIN := bin
OUT ?= runs
SEED ?= 0
PARALLEL ?= 2
SEEDS ?= 1500

# The race detector needs a C compiler; without one the tests run without it.
RACE := $(shell command -v $${CC:-cc} >/dev/null 2>&1 && echo -race)
TOOL := $(GO) tool -modfile=tools.mod

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## build raftnode, chaosproxy, harness and the nodes with planted bugs into bin/
	$(GO) build -o $(BIN)/ ./cmd/...
	$(GO) build -tags mutants -o $(BIN)/raftnode-mutants ./cmd/raftnode

.PHONY: cluster-test
cluster-test: build ## run every scenario and every planted bug on real clusters, and judge them
	$(BIN)/harness run --nodes-bin $(BIN) --out $(OUT) --seed $(SEED) --parallel $(PARALLEL)

.PHONY: test
test: ## run every test, under the race detector if there is a C compiler
	$(GO) vet ./...
	$(GO) test $(RACE) ./...
	$(GO) test -tags mutants ./pkg/raft/... ./cmd/raftnode
	$(GO) test -tags mutants -short ./pkg/kv
	cd deploy/grafana/generate && $(GO) test ./...

.PHONY: lint
lint: ## check format, vet and staticcheck, with and without planted bugs
	@test -z "$$($(TOOL) gofumpt -l .)" || { $(TOOL) gofumpt -l .; echo 'run make fmt'; exit 1; }
	$(GO) vet ./... && $(GO) vet -tags mutants ./...
	$(TOOL) staticcheck ./... && $(TOOL) staticcheck -tags mutants ./pkg/raft/... ./pkg/kv ./cmd/raftnode

.PHONY: sim
sim: ## simulate clusters under SEEDS seeds (default 1500), each twice, and judge every step
	$(GO) test -count=1 -timeout 5h -v -run '^TestSimulation$$' ./pkg/kv -sim.seeds $(SEEDS) -sim.twice

.PHONY: mutants
mutants: ## have the simulator, and directed tests, catch every planted bug: docs/mutants.md
	$(GO) test -tags mutants -count=1 -v -run '^(TestMutants|TestSimulation$$)' ./pkg/kv
	$(GO) test -tags mutants -count=1 -run '^TestMutant' ./pkg/raft/protocol ./pkg/raft/storage ./pkg/raft/transport ./cmd/raftnode

.PHONY: fmt
fmt: ## format the code
	$(TOOL) gofumpt -w .

.PHONY: fuzz
fuzz: ## fuzz every parser for FUZZTIME each (default 10s)
	scripts/fuzz $(or $(FUZZTIME),10s)

.PHONY: bench
bench: ## run the benchmarks
	$(GO) test -run '^$$' -bench . -benchtime 1s ./...

.PHONY: up
up: build ## start three nodes, a proxy and a gentle load on the standard ports, to look at
	$(BIN)/harness up --nodes-bin $(BIN)

.PHONY: down
down: ## stop what make up has started
	@test ! -x $(BIN)/harness || $(BIN)/harness down

.PHONY: clean
clean: down ## remove what was built, all run folders and what make up left
	rm -rf $(BIN) $(OUT) .up
