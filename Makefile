# SPDX-License-Identifier: Apache-2.0

PREFIX ?= /usr/local
DESTDIR ?=
SWIFT_SOURCES := Package.swift Sources Tests

# Binaries that go to machines without a Swift toolchain carry the Swift runtime. That changes every compile, so they are
# built in a folder of their own.
STATIC := --static-swift-stdlib --scratch-path .build-static

.DEFAULT_GOAL := help
.PHONY: help setup build release install test test-kubernetes demo bench bench-engine bench-launch bench-scheduler bench-planning lint fmt \
    clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install what is missing: Debian packages, a Python environment in .venv
	scripts/setup.sh

demo: ## Set up, build, and run the seismology example on 4 ranks
	scripts/demo.sh

test: ## Set up, build, and run all tests
	scripts/test.sh

test-kubernetes: ## Build an API server of Kubernetes, once, and test the backend against it
	scripts/setup.sh
	Tests/Kubernetes/build-api-server.sh
	swift build --build-tests
	WEFT_TEST_KUBERNETES=1 swift test --skip-build --filter Integration.KubernetesTests

bench: bench-engine bench-launch bench-scheduler bench-planning ## Measure Weft against its peer, starts, scheduler and planner (docs/benchmarks.md); BENCH="--short" looks at results only

bench-engine:
	[ -n "$$WEFT_PROGRAMS" ] || for product in weft weft-rank; do swift build -c release --product $$product $(STATIC) || exit; done
	python3 bench/engine.py $(BENCH)

bench-launch: ## Measure what Weft adds to starting a run, against bare mpirun and sbatch
	[ -n "$$WEFT_PROGRAMS" ] || { swift build -c release --product weftd && \
	    for product in weft weft-rank; do swift build -c release --product $$product $(STATIC) || exit; done; }
	python3 bench/launch.py $(BENCH)

bench-scheduler: ## Measure the scheduler on recorded logs, and on a million jobs
	[ -n "$$WEFT_PROGRAMS" ] || { for product in weftd scheduler-bench; do swift build -c release --product $$product || exit; done && \
	    swift build -c release --product weft $(STATIC); }
	python3 bench/scheduler.py $(BENCH)

bench-planning: ## Measure how well runs are foretold from earlier ones, and what that gains
	[ -n "$$WEFT_PROGRAMS" ] || { swift build -c release --product weftd && \
	    for product in weft weft-rank; do swift build -c release --product $$product $(STATIC) || exit; done; }
	python3 bench/planning.py $(BENCH)

build: ## Build everything for debugging
	swift build

release: ## Build the programs for use; weft and weft-rank with the Swift runtime inside
	swift build -c release --product weftd
	swift build -c release --product weft $(STATIC)
	swift build -c release --product weft-rank $(STATIC)

install: release ## Install the programs into $(PREFIX)/bin
	install -d $(DESTDIR)$(PREFIX)/bin
	install -s -m 755 .build/release/weftd .build-static/release/weft .build-static/release/weft-rank $(DESTDIR)$(PREFIX)/bin

lint: ## Check format and small rules; changes nothing
	scripts/lint.sh

fmt: ## Format the Swift sources
	swift format --in-place --parallel --recursive $(SWIFT_SOURCES)

clean: ## Remove what was built; .venv and demo data stay
	rm -rf .build .build-static
