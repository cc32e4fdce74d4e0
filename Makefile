# What stands behind ## is what `make` alone prints.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Tools are pinned here and are no dependency of the product.
GOLANGCI_LINT := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOTESTSUM     := go run gotest.tools/gotestsum@v1.13.0

# The modules of the workspace. Each must also stand alone: that is how it is released.
MODULES := . test
EACH_MODULE := for module in $(MODULES); do cd $(CURDIR)/$$module; export GOWORK=off;

# A checkout that git does not trust (another account's, in a container) still builds, without a commit in its version.
export GOFLAGS := $(GOFLAGS) $(shell git rev-parse --quiet --verify HEAD >/dev/null 2>&1 || echo -buildvcs=false)

.PHONY: help
help: ## Print this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/tickr
	go build -o bin/tickr ./cmd/tickr

.PHONY: run
run: build ## Serve the API with a private PostgreSQL and configs/dev.env, until Ctrl-C
	exec bin/tickr serve --env-file configs/dev.env

# PG=18 runs the tests on that major version of PostgreSQL, which is fetched once.
.PHONY: test
test: vet lint alone ## Check everything: vet, lint, tidiness, then all tests with the race detector [PG=18]
	TICKR_TEST_PG=$(PG) $(GOTESTSUM) --format pkgname --format-hide-empty-pkg -- -race -shuffle=on -count=1 work

.PHONY: test-long
test-long: ## Run at full length what make test runs a short form of: races forced, random operations against models
	TICKR_LONG=1 TICKR_TEST_PG=$(PG) $(GOTESTSUM) --format pkgname -- -race -count=1 -timeout 60m \
		./modules/users/usersfx ./modules/users/internal/adapters/cache ./test/integrity

# The faults wait more than they work: three at a time disturb nobody's figures. Disks are mounted and filled where nobody else sees
# them, and where an ordinary user may mount, too.
.PHONY: test-faults
test-faults: ## Break what the program stands on, and hold it to the figures of docs/operations/faults.md
	for apart in "unshare --mount" "unshare --user --mount --map-current-user --keep-caps" ""; do \
		if $$apart true 2>/dev/null; then break; fi; done; \
	TICKR_FAULTS=1 TICKR_TEST_PG=$(PG) $$apart $(GOTESTSUM) --format testname -- -count=1 -parallel 3 -timeout 30m ./test/faults

.PHONY: test-soak
test-soak: ## Ask for half of what can be had, with a fault from time to time, and see that nothing piles up [SOAK=30m]
	TICKR_SOAK=$(or $(SOAK),30m) TICKR_TEST_PG=$(PG) $(GOTESTSUM) --format standard-verbose -- -count=1 -timeout 0 -run 'TestSoak$$' ./test/faults

# One test after the other: they compare times.
.PHONY: test-security
test-security: ## Attack the program, and hold it to the figures of docs/operations/security.md
	TICKR_SECURITY=1 TICKR_TEST_PG=$(PG) $(GOTESTSUM) --format testname -- -count=1 -parallel 1 -timeout 150m ./test/security

# Debian's names. Everything else runs without.
DRILL_PACKAGES  := postgresql pgbackrest
SYSTEM_PACKAGES := $(DRILL_PACKAGES) prometheus

.PHONY: test-system
test-system: ## Check what needs packages of Debian, which root installs: recovery, and monitoring by a real Prometheus
	test/system-packages.sh $(SYSTEM_PACKAGES)
	DRILL=short $(GOTESTSUM) --format testname -- -tags system -count=1 -timeout 15m ./test/drill ./test/monitoring

.PHONY: drill
drill: ## Lose databases under load, bring them back, and print what that took; a million accounts with DRILL=full
	test/system-packages.sh $(DRILL_PACKAGES)
	go test -tags system -count=1 -timeout 90m -v ./test/drill

.PHONY: vet
vet: ## Run gofmt and go vet
	@unformatted=$$(gofmt -l cmd modules platform test); \
	if [[ -n $$unformatted ]]; then echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; fi
	go vet -tags system work

.PHONY: lint
lint: ## Run golangci-lint with .golangci.yml
	$(EACH_MODULE) $(GOLANGCI_LINT) run ./...; done

# Without the workspace, and with every requirement in its place.
.PHONY: alone
alone:
	$(EACH_MODULE) go mod tidy -diff; go build ./...; done

.PHONY: fmt
fmt: ## Format the code
	$(EACH_MODULE) $(GOLANGCI_LINT) fmt ./...; done

.PHONY: bench
bench: ## Run the benchmarks
	go test -run '^$$' -bench . -benchmem ./modules/... ./test/...

.PHONY: migrate-up
migrate-up: build ## Apply all pending migrations
	bin/tickr migrate up

.PHONY: migrate-down
migrate-down: build ## Undo the newest migration
	bin/tickr migrate down

.PHONY: migrate-status
migrate-status: build ## List applied and pending migrations
	bin/tickr migrate status

.PHONY: migrate-create
migrate-create: build ## Write an empty pair of migration files: name=add_user_locale [module=users]
	bin/tickr migrate create "$(or $(name),$(error say name=what_it_does))" --module "$(or $(module),users)"

.PHONY: migrate-generate
migrate-generate: build ## Draft a migration from the models, to be read: name=add_user_locale [module=users]
	bin/tickr migrate generate "$(or $(name),$(error say name=what_it_does))" --module "$(or $(module),users)"

.PHONY: openapi
openapi: ## Write docs/openapi.json, which a test compares with the API
	go run -buildvcs=false ./cmd/tickr openapi > docs/openapi.json

.PHONY: tidy
tidy: ## Tidy the go.mod of both modules
	$(EACH_MODULE) go mod tidy; done

.PHONY: up
up: .env ## Serve everything in containers: API, PostgreSQL, mail, Prometheus, Grafana
	VERSION="$$(git describe --tags --always --dirty)" docker compose up --build --detach

# The secrets of the containers, made once.
.env:
	umask 077; for name in JWT_SECRET DB_PASSWORD GRAFANA_PASSWORD; do \
		echo "$$name=$$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')"; done > $@

.PHONY: ci
ci: ## Do what the build server does
	.ci/run
