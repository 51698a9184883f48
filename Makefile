# dsengine: every command that people and CI use. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
export CGO_ENABLED ?= 0
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# The race detector needs a C compiler. It does not watch what SQLite does within itself,
# which was C: that would take most of the time.
RACE := $(shell command -v gcc >/dev/null 2>&1 && echo "-race -gcflags=modernc.org/sqlite/lib=-race=false")
BUILD := go build -trimpath -ldflags "-s -w -X main.version=$(VERSION)"

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

.PHONY: build
build: ## build ./dsengine
	@$(BUILD) -o dsengine ./cmd/dsengine

.PHONY: run
run: build ## import the sample data into dsengine.db and show the result
	@./dsengine run --until-idle

# One package more than there are processors at once: tests wait for databases, and for time to pass.
.PHONY: test
test: ## run every test, on SQLite and on a private MariaDB (race detector on)
	@./.ci/mariadb
	@test -n "$(RACE)" || { echo "no C compiler: the race detector is off; .ci/gcc says what to install" >&2; test -z "$${CI:-}"; }
	@CGO_ENABLED=$(if $(RACE),1,0) go run ./.ci/testsum go test $(RACE) -p $$(($$(getconf _NPROCESSORS_ONLN) + 1)) -timeout 60m -skip '^TestModel' -json ./...
	@go run ./.ci/testsum go test -run '^TestModel' -json ./engine # it computes for long, in one goroutine

.PHONY: check
check: lint ## what to run before a commit: linters and the quick tests
	@go test -short ./...

.PHONY: lint
lint: ## gofmt, go vet, staticcheck, and builds for the other systems
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "not formatted:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	@go vet ./...
	@go run $(STATICCHECK) ./...
	@cd testdata/peers && go vet ./...
	@GOOS=windows go vet ./cmd/dsengine ./engine/... ./scripting/...
	@GOOS=darwin go vet ./cmd/dsengine ./engine/... ./scripting/...

.PHONY: torture
torture: ## the kill tests in full size (about ten minutes)
	@./.ci/mariadb
	@DSENGINE_TORTURE=full go test -count=1 -timeout 60m -run 'Torture' -v ./cmd/dsengine

.PHONY: large
large: ## stream 1 GB of CSV, 500 MB of XML and of JSON, a million rows of Parquet and of a sheet, in bounded memory
	@DSENGINE_LARGE=full go test -count=1 -timeout 60m -run Large -v ./scripting/hostlib

.PHONY: bench
bench: ## jobs and rows a second against bare loops and River, printed as ratios (about twenty minutes)
	@./.ci/mariadb
	@cd testdata/peers && go run ./bench $(BENCH)

.PHONY: bench-test
bench-test: build ## how long dsengine test takes for 1,000 generated tests, and for one file
	@./.ci/testbench

.PHONY: fuzz
fuzz: ## run each fuzz target for a minute, as many at once as there are processors
	@./.ci/mariadb
	@./.ci/fuzz

.PHONY: dist
dist: ## static programs for Linux, macOS and Windows in dist/
	@rm -rf dist && mkdir dist
	@for p in $(PLATFORMS); do os=$${p%/*}; arch=$${p#*/}; ext=; [ $$os = windows ] && ext=.exe; \
	  echo "dist/dsengine-$$os-$$arch$$ext"; \
	  CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch $(BUILD) -o dist/dsengine-$$os-$$arch$$ext ./cmd/dsengine; done
	@cd dist && sha256sum * > SHA256SUMS

.PHONY: clean
clean: ## remove what was built, and the sample database
	@rm -rf dsengine dist bench-out dsengine.db dsengine.db-*
