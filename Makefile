# The phone book of commands. `make` alone lists them.
#
# `make demo` and `make test` install what this machine lacks (and say so), then do their job.

SHELL := /bin/bash
.DEFAULT_GOAL := list
STORY ?=
DATA ?=
TARGET ?=
FUZZ_S ?= 600
FEATURES ?=

.PHONY: list demo test check pages firmware e2e snapshots screenshots soak fuzz bench bench-findings deny advisories static tools-demo tools-firmware tools-test

list: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

demo: tools-demo ## a simulated campus with real measurements; prints the address to open
	cargo run --locked -p gateway -- demo

test: tools-test ## everything; what every change must pass
	.ci/test

check: tools-test ## the cheap part of `make test`: format, spelling, lints, unit tests
	.ci/test check

pages: tools-demo ## build the pages alone into dashboards/dist
	cd dashboards && npm ci --no-audit --no-fund --ignore-scripts && npm run build

firmware: tools-firmware ## build the node's images, print their sizes, fail beyond their limits
	.ci/test firmware

e2e: tools-test ## the stories; one of them with STORY=name
	.ci/test stories $(STORY)

screenshots: tools-test ## pictures of every page into tests/screenshots
	.ci/test stories screenshots

snapshots: ## review changed golden texts
	cargo insta review

soak: tools-test ## the long versions: 10,000 cases of each property, 10,000 power cuts of store and node, 1,000 kills
	PROPTEST_CASES=10000 POWER_CUTS=10000 GENGFU_FLIPS=10000 GENGFU_DISKS=10000 cargo nextest run --profile soak --workspace --exclude e2e --locked
	GENGFU_CUTS=1000 cargo nextest run --profile soak --workspace --locked --no-capture -E 'package(e2e) and test(/power_cut/)'

fuzz: ## throw bytes at what the node reads, FUZZ_S seconds each; one target with TARGET=rtu
	@command -v cargo-fuzz >/dev/null || cargo install --locked cargo-fuzz
	FUZZ_S=$(FUZZ_S) firmware/fuzz/run $(TARGET)

static: ## one file without libraries, for any Linux of this kind; FEATURES=influx adds InfluxDB
	.ci/static "$(FEATURES)"

bench: ## what the figures in the READMEs are made with; minutes on a quiet machine; DATA=folder as below
	cargo build --release --locked -p gateway
	target/release/gengfu bench store
	target/release/gengfu bench store --pattern minute --rounds 1
	target/release/gengfu bench store --meters 100000 --days 1 --rounds 1 --decoded-only --packs 5000
	target/release/gengfu bench ingest --own --through mosquitto
	target/release/gengfu bench query
	target/release/gengfu bench nodes
	target/release/gengfu bench crash
	target/release/gengfu bench findings $(if $(DATA),--data $(DATA))

bench-findings: ## how well detectors and baselines do on measured data; other data with DATA=folder
	cargo build --release --locked -p gateway
	target/release/gengfu bench findings $(if $(DATA),--data $(DATA))

deny: ## licences, bans and sources of all packages
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny --locked check bans licenses sources
	cargo deny --all-features --locked check bans licenses sources

advisories: ## known faults of all packages; fetches the list of them
	@command -v cargo-deny >/dev/null || cargo install --locked cargo-deny
	cargo deny --locked check advisories
	cargo deny --all-features --locked check advisories

tools-demo:
	@.ci/tools demo

tools-firmware:
	@.ci/tools firmware

tools-test:
	@.ci/tools test
