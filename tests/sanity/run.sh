#!/usr/bin/env bash
# Runs ansible-test sanity on an exported copy of the collection: it wants a folder named ansible_collections/NAMESPACE/NAME
# without links to folders. Tests can be named: tests/sanity/run.sh --test validate-modules
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
copy=$work/ansible_collections/loadfleet/mlperf
mkdir -p "$copy"
cd "$root"
# What belongs to the collection's plugins; the harness and the tests of everything else have their own checks.
git ls-files -z --cached --others --exclude-standard -- galaxy.yml meta plugins roles playbooks tests/sanity |
  xargs -0 cp --parents -t "$copy" --
cd "$copy"
# It looks at files that git would track, and makes its environments below tests/output.
echo tests/output/ >.gitignore
git init -q . && git add -A
# Its environments are kept between runs. It would download a script that brings pip, under this name; ensurepip is here.
export HOME=$root/.cache/ansible-test
mkdir -p "$HOME/.ansible/test/cache"
[ -e "$HOME/.ansible/test/cache/get_pip_24_2.py" ] ||
  printf 'import ensurepip\nensurepip.bootstrap()\n' >"$HOME/.ansible/test/cache/get_pip_24_2.py"
exec_python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
ansible-test sanity --venv --python "$exec_python" --color no "$@"
