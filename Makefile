# Two commands for a newcomer: `make demo` and `make test`. Each installs what it needs.
.PHONY: demo demo-quick test test-python test-browser test-vulkan test-interop test-interop-lerobot test-interop-server bench bench-laq bench-pretrain bench-chunk fuzz deps clean
export CARGO_TERM_COLOR ?= auto

INTEROP := .venv-interop
INTEROP_PYTHON := $(INTEROP)/bin/python
# openpi's client wants an older NumPy than lerobot.
INTEROP_SERVER := .venv-interop-server
CLIENT := .venv-client
PYTHON ?= python3
VIPRA_SHARED ?= $(abspath ../shared)
BENCH_DATA ?= $(VIPRA_SHARED)/data/simpler-widowx
FUZZ_SECS ?= 60
# Of the features for GPUs the one whose shaders a software driver takes: `vulkan` needs hardware.
GPU ?= wgpu

## The whole pipeline at the embedded tabletop, from videos without actions to an evaluated policy.
demo: deps
	scripts/demo.sh

## The same in a few minutes, for a first look: its numbers mean nothing.
demo-quick: deps
	scripts/demo.sh quick

## Format, lints, all tests, doc tests.
test: deps
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test --workspace

## The models' tests on a GPU, or on Mesa's software driver. Built apart, so that the other build stays.
test-vulkan:
	@scripts/deps.sh vulkan
	CARGO_TARGET_DIR=target/vulkan VIPRA_DEVICE=$(GPU) cargo test --release --workspace --no-fail-fast --features $(GPU) --test parity

## The Python clients and the SIMPLER adapter, without a simulator.
test-python: $(CLIENT)/done
	cd python && ../$(CLIENT)/bin/python -m pytest -q

## The report of a run in Chromium, narrow and wide, by day and by night; pictures of it in runs/browser. PAGES names others to look at.
test-browser:
	@scripts/deps.sh browser
	VIPRA_SCREENSHOTS=$(CURDIR)/runs/browser VIPRA_PAGES="$(abspath $(PAGES))" cargo test --workspace --test browser -- --ignored --test-threads 1

## Others' software with ours: lerobot reads what the writer wrote, openpi's client drives the server.
test-interop: test-interop-server test-interop-lerobot

## The real openpi client, and the calls of ViPRA's published HTTP client, drive the server; PACKAGE names a policy that they drive too.
test-interop-server: deps $(INTEROP_SERVER)/done
	cargo build -q -p vipra-serve --example made_server
	$(INTEROP_SERVER)/bin/python python/interop/check_server.py $(or $(CARGO_TARGET_DIR),target)/debug/examples/made_server
ifdef PACKAGE
	cargo build -q --release --workspace
	$(INTEROP_SERVER)/bin/python python/interop/check_package.py $(or $(CARGO_TARGET_DIR),target)/release/vipra $(PACKAGE)
endif

## The real lerobot library reads what the writer wrote, and every value is compared.
test-interop-lerobot: deps $(INTEROP)/done
	rm -rf runs/interop
	SVT_LOG=1 cargo run -q -p vipra-data --example interop_datasets -- runs/interop
	PYTHONWARNINGS=ignore $(INTEROP_PYTHON) python/interop/check_lerobot.py runs/interop

## Clip loading beside lerobot's dataset class, in turns.
bench: deps $(INTEROP)/done
	$(INTEROP_PYTHON) benches/clips.py $(BENCH_DATA)

## Training and labelling of the latent action model beside PyTorch, in turns; BENCH_LAQ takes its options.
bench-laq: deps $(INTEROP)/done
	$(INTEROP_PYTHON) benches/laq.py $(BENCH_LAQ)

## Training steps of the multimodal transformer beside PyTorch, in turns; BENCH_PRETRAIN takes its options.
bench-pretrain: deps $(INTEROP)/done
	$(INTEROP_PYTHON) benches/pretrain.py $(BENCH_PRETRAIN)

# Chunks beside PyTorch: latency with and without a cache.
bench-chunk: deps $(INTEROP)/done
	$(INTEROP_PYTHON) benches/chunk.py $(BENCH_CHUNK)

## Every fuzz target for FUZZ_SECS seconds.
fuzz: deps
	scripts/fuzz.sh $(FUZZ_SECS)

$(INTEROP)/done: benches/peers/requirements.txt
	python3 -m venv $(INTEROP)
	$(INTEROP)/bin/pip install -q -r $<
	touch $@

$(INTEROP_SERVER)/done: python/interop/requirements-server.txt
	$(PYTHON) -m venv $(INTEROP_SERVER)
	$(INTEROP_SERVER)/bin/pip install -q -r $<
	touch $@

$(CLIENT)/done: python/pyproject.toml
	$(PYTHON) -m venv $(CLIENT)
	$(CLIENT)/bin/pip install -q -e 'python[test]'
	touch $@

deps:
	@scripts/deps.sh

clean:
	cargo clean
	rm -rf $(INTEROP) $(INTEROP_SERVER) $(CLIENT) runs
