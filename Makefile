# Targets for people; `make help` lists them. CI runs `make test` and `make emulate` by .ci/run.

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZTIME = 10s
DURATION = 10m
SEED =
ARGS =

# Go stops at a work tree that git refuses to read (another owner, no commit yet); build without the version then.
BUILDVCS = $(shell git rev-parse --verify -q HEAD >/dev/null 2>&1 && echo auto || echo false)

.NOTPARALLEL:
.PHONY: build demo test emulate lint cross package bench soak fuzz clean help

build: ## the pipit binary for this machine
	CGO_ENABLED=0 go build -trimpath -buildvcs=$(BUILDVCS) -o pipit ./agent/pipit

demo: ## a private server, this machine as a device and a chat with it (ARGS="--for 20s")
	.ci/setup demo
	$(MAKE) --no-print-directory build
	./pipit demo $(ARGS)

test: ## everything CI checks: packages, lint, cross builds, all tests with the race detector
	.ci/setup test
	$(MAKE) --no-print-directory lint cross
	go test -race -count=1 -parallel 4 ./...

emulate: ## pipit on emulated boards: a Raspberry Pi Zero and an AST2600 (downloads 90 MB once)
	.ci/setup emulate
	go test -tags emulate -count=1 -v -timeout 40m -run '^TestBoard' ./cross/emulate

lint: ## gofmt, go vet, staticcheck
	@files=$$("$$(go env GOROOT)/bin/gofmt" -l .) && \
	if [ -n "$$files" ]; then echo "not formatted; run gofmt -w on:" $$files >&2; exit 1; fi
	go vet ./...
	go vet -tags emulate ./cross/emulate
	go run $(STATICCHECK) ./...
	go run $(STATICCHECK) -tags emulate ./cross/emulate

cross: ## static binaries for all boards in dist/, with SHA256SUMS
	cross/build

package: ## deb, rpm and apk for all boards in dist/packages/, the same bytes for the same commit
	go run ./cross/pack -o dist/packages

bench: ## what Pipit promises, measured: one table (ARGS="-only publish")
	.ci/setup test
	go run ./agent/xmpp/bench $(ARGS)

soak: ## faults at random for DURATION (10m), from SEED if given, and 100 kills of each server
	.ci/setup test
	PIPIT_SOAK=$(DURATION) PIPIT_SOAK_SEED=$(SEED) PIPIT_KILLS=100 \
		go test -v -count=1 -timeout 24h -run '^(TestSoak|TestServerKills)$$' ./agent/pipit

fuzz: ## each fuzz target for FUZZTIME (10s)
	@set -e; packages=$$(go list ./...); for package in $$packages; do \
		names=$$(go test -list '^Fuzz' $$package); \
		for name in $$(echo "$$names" | grep '^Fuzz'); do \
			echo "$$package $$name"; \
			go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

clean: ## removes what make built
	rm -rf pipit dist

help: ## this list
	@sed -n 's/^\([a-z]*\): ## /\1\t/p' $(MAKEFILE_LIST) | expand -t 8
