# Two commands do everything on a fresh machine: `make demo` and `make test`.
# `make help` lists the rest.

SHELL   := /bin/bash
GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X main.version=$(VERSION)
DATA    ?= vigil-data
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD = 1

.PHONY: help demo build ui test test-go test-ui test-e2e lint torture bench fuzz train clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: build ## build everything and open a simulated hospital on http://127.0.0.1:8080
	bin/vigil demo --data $(DATA)

build: ui ## build the UI and the binary bin/vigil
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/vigil ./cmd/vigil

ui: web/dist/index.html ## build the UI into web/dist

web/node_modules/.installed: web/package.json web/package-lock.json
	cd web && npm ci --no-audit --no-fund --loglevel=error
	touch $@

web/dist/index.html: web/node_modules/.installed $(shell find web/src web/index.html web/vite.config.ts internal/app/*/ui -type f 2>/dev/null)
	cd web && npm run build --silent
	touch $@

test: lint test-go test-ui test-e2e ## every test; installs what it needs

lint: ui
	@out=$$(gofmt -l $$(git ls-files '*.go')); [ -z "$$out" ] || { echo "gofmt differs in:"; echo "$$out"; exit 1; }
	$(GO) vet ./...

test-go: ui ## unit, contract and story tests
	scripts/services.sh
	$(GO) test ./...

test-ui: web/node_modules/.installed ## types and unit tests of the UI
	cd web && npm run check --silent && npm test --silent

test-e2e: build web/node_modules/.installed ## browser tests, and FHIR clients of others, against the real binary
	scripts/e2e.sh
	scripts/clients.sh

torture: ui ## the fault regime in full: kills, power cuts, bit flips, full and failing disks, overload; writes docs/reference/durability.md
	scripts/services.sh
	$(GO) test ./test/torture -count=1 -v -timeout 180m -torture.report=$(CURDIR)/docs/reference/durability.md \
		-torture.kills=1000 -torture.cuts=300 -torture.flips=1500 -torture.tears=200 -torture.syscallstep=1 -torture.overload=10s -torture.firststarts=30

bench: build ## benchmarks: ingest over MQTT, value to alarm on screen, start-up, engine hot paths
	bin/vigil bench ingest
	bin/vigil bench ingest --batch 100 --devices 1000 --rate 0
	bin/vigil bench waves
	bin/vigil bench alarm
	bin/vigil bench start
	$(GO) test -run xxx -bench . -benchmem ./internal/engine/... ./internal/driver/... ./internal/api/...
	$(GO) test -run ManyLiveSeries -v ./internal/driver/pebble -series.n=500000

fuzz: ## every fuzz target for 20 s
	scripts/fuzz.sh 20s

DATA_DIR ?= ../shared/data
train: ## train the models of catalog/models again from the data sets in DATA_DIR; see training/README.md
	mkdir -p training/cache
	$(GO) run ./training/features deterioration $(DATA_DIR)/sepsis_cinc2019/hospA_dev.csv.gz > training/cache/deterioration.csv
	$(GO) run ./training/features falsealarm $(DATA_DIR)/alarms_cinc2015 > training/cache/falsealarm.csv
	/usr/bin/python3 training/deterioration.py training/cache/deterioration.csv
	/usr/bin/python3 -W ignore training/falsealarm.py training/cache/falsealarm.csv
	/usr/bin/python3 training/vectors.py

clean: ## remove what was built
	rm -rf bin web/dist/* web/node_modules
