# The commands of Ozvena. Each installs into .venv first, if the requirements have changed.

.PHONY: run always test test-system check bench bench-large chaos pins
.DEFAULT_GOAL := run

PYTHON := .venv/bin/python
# As many workers as tests/runner.py says.
PYTEST_ARGS ?= --numprocesses auto

# A signal that make alone gets reaches no recipe. But make deletes the target that it was
# making, so there is one, and `up` stops when it is gone.
RUNNING := .venv/running-$(shell echo $$PPID)

run: $(RUNNING)

$(RUNNING): always
	@config/install.sh
	@echo $$PPID >$@
	@exec $(PYTHON) manage.py up --for-make $@

test:
	@config/install.sh dev
	@for name in chromium chromium-browser google-chrome chrome; do \
		command -v $$name >/dev/null && exit; \
	done; echo "Chromium is not installed: the tests in a browser are skipped."
	@$(PYTHON) -m pytest -m "not system" $(PYTEST_ARGS)

# Whole installations, the supervisor, killed processes: they wait more than they compute.
test-system:
	@config/install.sh dev
	@$(PYTHON) -m pytest -m system $(PYTEST_ARGS)

# Settings as a public installation has them: the checks must have nothing to say.
PUBLIC := BASE_URL=https://speech.example.com ALLOWED_HOSTS=speech.example.com \
	TRUSTED_PROXY_COUNT=1 OZVENA_HOME=.venv/check OZVENA_DEVELOPMENT=0 DEBUG=0 \
	SECRET_KEY=for-checks-only-abcdefghijklmnopqrstuvwxyz0123456789abcdefgh \
	ENCRYPTION_KEYS=checks:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
	ADMIN_ACCESS_KEY=for-checks-only-and-long-enough-to-be-on \
	EMAIL_URL=smtp+tls://user:password@mail.example.com:587

check:
	@config/install.sh dev
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy .
	$(PUBLIC) $(PYTHON) manage.py check --deploy --fail-level WARNING
	@# Missing migrations are among these: to look for them takes a database.
	$(PYTHON) -m pytest -q tests/test_architecture.py tests/test_docs.py tests/config/test_checks.py

bench:
	@config/install.sh dev
	@$(PYTHON) -m benchmarks

# A ledger of 10 million entries, on a throwaway PostgreSQL: some minutes, and 6 GB of disk.
bench-large:
	@config/install.sh dev
	@$(PYTHON) -m benchmarks large

chaos:
	@config/install.sh dev
	@CHAOS_JOBS=500 CHAOS_DELIVERIES=1000 CHAOS_KILLS=30 CHAOS_SIGNED=10000 \
		CHAOS_POSTS=500 CHAOS_DEADLINES=1 CHAOS_OPERATIONS=100000 CHAOS_RESTARTS=5 \
		CHAOS_CLIENTS=16 CHAOS_REQUESTS=500 CHAOS_CALLERS=120 \
		CHAOS_SLOW_BODIES=40 CHAOS_SLOW_HEADS=200 CHAOS_UPLOAD_MB=200 \
		MODEL_EXAMPLES=300 \
		$(PYTHON) -m pytest -s tests/chaos tests/billing/ledger/test_model.py

# Resolve the .in files anew, keeping the versions that still fit;
# `make pins PINS_ARGS=--upgrade` takes the newest.
pins:
	@config/install.sh
	@for name in requirements requirements-voice requirements-dev; do \
		.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --no-header \
			--annotation-style line $(PINS_ARGS) $$name.in --output-file $$name.txt || exit 1; \
	done
