# What is done with this repository; `make` alone lists it.

PYTHON ?= python3
# Tests at once; of those with a whole installation as many as there are cores.
THREADS ?= 4
# Errors say what they are about; a backtrace after them only hides it in a long log.
export RUST_BACKTRACE := 0
# How many plans of chaos `make soak` runs.
SEEDS ?= 10
programs := $(or $(CARGO_TARGET_DIR),target)/debug
# A file of one's own (FILE, under KEY), read by profiles of one's own (CONFIG).
own = $(if $(FILE),--send '$(FILE)') $(if $(KEY),--key '$(KEY)') $(if $(CONFIG),--config '$(CONFIG)')

.PHONY: help run demo test test-cql test-stores test-trace soak lint generate bench-files bench-ingest build servers cassandra stores jaeger loaders

help: ## list this
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

run: build servers ## start everything on this machine, send a sample file, stay up until Ctrl-C
	@$(programs)/landfall dev --beside $(if $(FILE),,--sample) $(own)

demo: build servers ## the same, ending by itself; last comes the file's record as a line of JSON
	@$(programs)/landfall dev --demo $(own)

test: servers cassandra ## the tests, on real servers; what takes long is in soak
	@cargo test --workspace --locked -- --test-threads=$(THREADS)

test-cql: servers cassandra ## the whole-system tests once more, on CQL, and what is of CQL alone
	@LANDFALL_TEST_STORE=cql cargo test --workspace --test system --locked -- --test-threads=$(THREADS)
	@cargo test --workspace --test system --locked -- --test-threads=$(THREADS) --ignored schema::

test-stores: servers stores ## a file's whole way on MinIO and on versitygw, which publish their notifications to NATS
	@cargo test --workspace --test stores --test main --locked -- --ignored --test-threads=$(THREADS)

test-trace: servers jaeger ## a file's trace in a real Jaeger
	@cargo test --workspace --test trace --locked -- --ignored --test-threads=$(THREADS)

soak: servers cassandra ## what takes minutes: the models much further, every kill beside a second replica, the limits in full, SEEDS=10 of chaos
	@cargo run --quiet --release --locked --package model --example deep
	@cargo test --package notifier --lib --locked -- --ignored
	@PROPTEST_CASES=20000 cargo test --package watcher --package ingest --test main --locked -- any_bytes::
	@LANDFALL_TEST_SEEDS=2000 cargo test --package mover --test main --locked -- schedules::
	@cargo test --package tests --test system --locked -- --ignored
	@LANDFALL_TEST_SEEDS=$(SEEDS) cargo test --package tests --test system --locked -- chaos::
	@LANDFALL_TEST_STORE=cql cargo test --package tests --test system --locked -- --ignored matrix::
	@LANDFALL_TEST_STORE=cql cargo test --package tests --test system --locked -- --ignored limits::large::
	@LANDFALL_TEST_STORE=cql LANDFALL_TEST_SEEDS=$(SEEDS) cargo test --package tests --test system --locked -- chaos::

lint: ## formatting, and everything that clippy and the compiler warn of
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets --locked -- --deny warnings

generate: ## write the contract's schemas, permissions and examples anew
	@cargo run --quiet --locked --package proto --example generate

bench-files: servers ## how fast files go their whole way, and what that costs
	@cargo bench --workspace --locked --bench files

bench-ingest: servers cassandra loaders ## how fast readings get into the database, beside other loaders; ROWS=100000 to try it out
	@cargo bench --workspace --locked --bench ingest -- $(if $(ROWS),--rows $(ROWS)) $(if $(RUNS),--runs $(RUNS))

build: ## build the programs
	@cargo build --workspace --bins --locked

servers: ## install the pinned real servers (unless LANDFALL_SERVERS names a folder that has them)
ifndef LANDFALL_SERVERS
	@$(PYTHON) deploy/servers/install.py .landfall/servers
endif

cassandra: ## install the pinned Cassandra (unless LANDFALL_SERVERS has it)
ifndef LANDFALL_SERVERS
	@$(PYTHON) deploy/servers/maven.py deploy/servers/cassandra.xml .landfall/servers/cassandra
endif

jaeger: # what test-trace runs on
ifndef LANDFALL_SERVERS
	@$(PYTHON) deploy/servers/go.py deploy/servers/jaeger.mod .landfall/jaeger
endif

stores: # what test-stores runs on
ifndef LANDFALL_SERVERS
	@$(PYTHON) deploy/servers/go.py deploy/servers/stores.txt .landfall/stores
	@$(PYTHON) deploy/servers/install.py .landfall/aws deploy/servers/aws.txt
endif

loaders: # what bench-ingest compares with
	@$(PYTHON) deploy/servers/maven.py deploy/servers/dsbulk.xml .landfall/loaders/dsbulk
	@$(PYTHON) deploy/servers/install.py .landfall/loaders/cqlsh deploy/servers/cqlsh.txt
