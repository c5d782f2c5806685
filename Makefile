# Everything that a contributor or a build machine runs. `make help` lists it.

SHELL     := bash
MAKEFLAGS += --no-print-directory

# How long `make fuzz` gives each target, and `make microbench` each benchmark.
FUZZTIME  ?= 60s
BENCHTIME ?= 1s
# Flags of `make bench`, such as '-only latency -rounds 3'; -help lists them.
BENCH     ?=
# More flags for go test in `make test`.
TESTFLAGS ?=

# The root module, and those that exist so that their needs stay out of it.
MODULES  = $(shell find . -name go.mod -not -path '*/.*' -not -path '*/testdata/*' | sed 's|/go.mod$$||' | sort)
# Those that hold packages: tools pins programs only.
PACKAGED = $(filter-out ./tools,$(MODULES))
# Those whose tests run beside the root's; `make examples` runs those of the others.
TESTED   = $(filter-out ./internal/sqltest,$(filter ./internal/% ./bench,$(PACKAGED)))

# With -n, go tool builds a program and prints where it is. That is needed where a go.work is,
# which go tool -modfile does not go along with.
LINT = $$(cd "$(CURDIR)" && go tool -modfile=tools/go.mod -n golangci-lint)

.PHONY: help fmt lint test mutants sql chaos chaos-long interop vuln fuzz bench bench-compare microbench cover examples architecture texts ci
.PHONY: check-format check-current check-architecture check-counts check-versions check-api check-bench

help: ## Print this list.
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' $(MAKEFILE_LIST) | while read -r name text; do printf '%-15s%s\n' "$$name" "$$text"; done

fmt: ## Rewrite Go files with gofumpt and goimports.
	@$(LINT) fmt

lint: ## Run golangci-lint on every module.
	@cd internal/apiclient && go generate
	@code=0; for m in $(PACKAGED); do echo "$$m"; (cd "$$m" && $(LINT) run --allow-parallel-runners ./...) || code=1; done; exit $$code

# The race detector needs a C compiler, internal/e2e a browser. Planted faults and
# long random sequences need no race detector, with which they would take minutes: files with the tag !race. Nor do stores in SQL,
# nor the service and the command with them: a SQLite that is written in Go takes ten times as long with it, and minutes to build. Of the random sequences
# SQL plays every second one here, and all in `make sql`. These two leave half of two cores idle, so they run beside each other.
test: export CGO_ENABLED = 1
test: ## Run all tests and fuzz seeds with the race detector, a Redis, a PostgreSQL and a MariaDB.
	@command -v "$$(go env CC)" >/dev/null || tools/install.sh gcc
	@tools/install.sh chromium curl jq pgbouncer
	@mkdir -p .cache
	@set -o pipefail; code=0; { \
		tools/with-redis.sh go test -race -timeout 40m $(TESTFLAGS) ./... || code=1; \
		tools/with-redis.sh go test -timeout 40m $(TESTFLAGS) -run '^(TestFaults|TestMutants|TestDifferential)$$' ./store/storetest ./store/redisstore >.cache/faults.log 2>&1 & \
		(cd internal/sqltest && "$(CURDIR)/tools/with-postgres.sh" "$(CURDIR)/tools/with-mariadb.sh" go test -timeout 40m $(TESTFLAGS) -skip '//differential/seed=[0-9]*[13579]$$' ./...) || code=1; \
		wait $$! || code=1; cat .cache/faults.log; \
		for m in cmd/webhooks examples/server; do (cd "$$m" && "$(CURDIR)/tools/with-postgres.sh" "$(CURDIR)/tools/with-redis.sh" go test -timeout 40m $(TESTFLAGS) ./...) || code=1; done; \
		for m in $(TESTED); do (cd "$$m" && "$(CURDIR)/tools/with-redis.sh" go test -race -timeout 40m $(TESTFLAGS) ./...) || code=1; done; \
		exit $$code; } 2>&1 | tee .cache/test.log

mutants: ## Show that the suite sees every fault of the Redis store's scripts, and not a fourth of them.
	@WEBHOOK_TEST_MUTANTS=all tools/with-redis.sh go test -count 1 -timeout 40m -run '^TestMutants$$' ./store/redisstore

sql: ## Play the suite of stores, and the outbox's tests, on SQL databases through every driver.
	@tools/install.sh pgbouncer
	@cd internal/sqltest && WEBHOOK_TEST_DRIVERS=all ../../tools/with-postgres.sh ../../tools/with-mariadb.sh go test -count 1 -timeout 60m ./...

chaos: ## Kill workers, break Redis, its records and PostgreSQL under load, for some two minutes.
	@tools/install.sh gcc redis-server postgres
	@set -o pipefail; cd internal/chaos && go test -tags chaos -count 1 -timeout 8m -v . 2>&1 | grep -v 'connection pool: failed to dial'

# WEBHOOK_CHAOS_LONG is how long its first part takes.
chaos-long: export WEBHOOK_CHAOS_REPORT = $(CURDIR)/docs/chaos.md
chaos-long: ## Break everything under load for ten minutes and write docs/chaos.md.
	@tools/install.sh redis-server
	@set -o pipefail; cd internal/chaos && go test -tags chaoslong -count 1 -timeout 60m -v . 2>&1 | grep -v -e 'connection pool: failed to dial' -e 'sentinel.go'

interop: ## Deliver to receivers in eight languages and six frameworks, and sign beside other libraries.
	@tools/install.sh express npm flask php sinatra javac mcs cargo crates
	@go test -tags interop -count 1 -timeout 10m -v ./internal/interop
	@go test -tags interop -count 1 -timeout 10m -run TestProgramsByTheWire ./webhook/portal
	@cd internal/vendors && go test -tags interop -count 1 -timeout 10m -v .

vuln: ## Look for known vulnerabilities, where their database can be reached.
	@tools/vuln.sh

fuzz: ## Run every fuzz target for FUZZTIME (60s), one after another.
	@tools/fuzz.sh $(FUZZTIME)

# PostgreSQL is used where it is installed already.
bench: ## Measure beside peers and the floor, and write docs/benchmarks.md; BENCH holds flags.
	@tools/install.sh redis-server
	@cd bench && go run . $(BENCH)

bench-compare: ## Measure signing and verifying again, and show it beside bench/micro.txt.
	@mkdir -p .cache/bench
	@cd bench && go run . -only micro -dir ../.cache/bench -docs ../.cache/bench
	@go tool -modfile="$(CURDIR)/tools/go.mod" benchstat bench/micro.txt .cache/bench/micro.txt

microbench: ## Run the packages' own benchmarks, each for BENCHTIME (1s).
	@tools/with-redis.sh go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) $(TESTFLAGS) ./...

cover: ## Run all tests and print the coverage of each package.
	@mkdir -p .cache
	@tools/with-redis.sh go test -coverprofile .cache/cover.out ./...
	@go tool cover -func .cache/cover.out | tail -n 1

examples: ## Build all examples and run those that end by themselves.
	@tools/examples.sh $(filter-out $(TESTED) ./internal/sqltest ./cmd/webhooks ./examples/server,$(PACKAGED))

architecture: ## Draw the packages, and the files of package webhook, for docs/architecture.md.
	@go run ./internal/architecture

texts: ## List what customers and operators read, for package words.
	@go run ./internal/texts

ci: ## Run every check that has to pass before a merge.
	@MAKE="$(MAKE)" tools/steps.sh check-format lint check-current check-architecture test check-counts check-versions check-api chaos interop examples check-bench

check-format:
	@$(LINT) fmt --diff

check-current:
	@tools/current.sh $(MODULES)

check-architecture:
	@go run ./internal/architecture -check
	@go run ./internal/texts -check

# Tests that count less with the race detector, once more without it.
check-counts:
	@tools/with-redis.sh go test -run TestRegistrationsEndAtTheLimit ./webhook/api
	@go test -run '^(TestDeadEndpointsDelayNoOther|TestJustInTimeDelaysNoOther|TestDeadEndpointsAreTried|TestAMerchantsShare|TestTestsKeepOutOfTheWay)$$' ./webhook

# The releases of Go that get fixes: the least that go.mod asks for, of which a later patch
# runs all other checks, and the next one with what leans on the standard library most. The
# workflow runs all tests with both.
LEAST_GO = go1.26.0
NEXT_GO  = go1.27.1
check-versions:
	@echo "$(LEAST_GO)"; GOTOOLCHAIN=$(LEAST_GO) go vet ./...
	@echo "$(NEXT_GO)"; GOTOOLCHAIN=$(NEXT_GO) go vet ./... && GOTOOLCHAIN=$(NEXT_GO) go test ./signer ./verifier/... ./webhook/event ./webhook/egress ./webhook/internal/...

check-api:
	@tools/api.sh

check-bench:
	@$(MAKE) microbench BENCHTIME=1x TESTFLAGS=-short
	@$(MAKE) bench BENCH=-smoke
	@for m in $(filter-out .,$(PACKAGED)); do echo "$$m"; (cd "$$m" && go test -run '^$$' -bench . -benchtime 1x ./...) || exit 1; done
