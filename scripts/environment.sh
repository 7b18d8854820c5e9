# Sourced by ./run and ./test: makes a virtual environment from the hash-locked requirements, once per lock.
# Sets VENV. Uses PYTHON (default python3); an explicit PYTHON gets an environment of its own.
set -euo pipefail

fail() { printf '%s\n' "$*" >&2; exit 2; }

choose_python() {
  if [ -n "${PYTHON:-}" ]; then
    command -v "$PYTHON" >/dev/null 2>&1 || fail "PYTHON=$PYTHON was not found."
    VENV=".venv-$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
  else
    PYTHON=""
    for name in python3 python3.13 python3.12 python3.11; do
      if command -v "$name" >/dev/null 2>&1 && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        PYTHON=$name
        break
      fi
    done
    [ -n "$PYTHON" ] || fail "Trunkline needs Python 3.11 or newer, and none was found. Install it (Debian: apt-get install python3 python3-venv)."
    VENV=".venv"
  fi
  "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "Trunkline needs Python 3.11 or newer; $PYTHON is older."
  if ! "$PYTHON" -c 'import venv, ensurepip' >/dev/null 2>&1; then
    fail "This Python cannot make virtual environments (no venv or ensurepip module). Install it first (Debian: apt-get install python3-venv)."
  fi
}

# make_environment DIRECTORY LOCK...: installs the locks, with hashes and nothing else, unless that has been done.
make_environment() {
  local directory=$1
  shift
  local stamp
  stamp=$(cat "$@" pyproject.toml | "$PYTHON" -c 'import hashlib, sys; print(hashlib.sha256(sys.stdin.buffer.read()).hexdigest())')
  if [ "$(cat "$directory/.stamp" 2>/dev/null || true)" = "$stamp" ] && [ -x "$directory/bin/python" ]; then
    return
  fi
  printf 'Setting up %s from the locked requirements ...\n' "$directory" >&2
  "$PYTHON" -m venv "$directory"
  local lock
  for lock in "$@"; do
    "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$lock"
  done
  printf '%s' "$stamp" > "$directory/.stamp"
}

install_trunkline() {
  if ! "$VENV/bin/python" -c 'import trunkline' >/dev/null 2>&1 || [ ! -x "$VENV/bin/trunkline" ]; then
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
  fi
}
