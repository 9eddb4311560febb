#!/bin/sh
# Resolves every lock file from the .in files here: one for the controller, one for each role that installs packages.
set -eu
cd "$(dirname "$0")"
compile() { uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header "$@"; }
compile control.in --output-file ../requirements.lock
for layer in harness loadgen; do
  compile "$layer.in" --constraints ../requirements.lock --output-file "../roles/$layer/files/requirements.lock"
done
compile report.in --constraints ../requirements.lock --output-file ../roles/harness/files/report.lock
for backend in onnxruntime openvino auto; do
  compile "$backend.in" --constraints ../requirements.lock --output-file "../roles/backend/files/$backend.lock"
done
compile resolver.in --output-file ../roles/python_venv/files/resolver.lock
# The CPU build of PyTorch is not on PyPI: set UV_TORCH_BACKEND=cpu. A folder of wheels (UV_FIND_LINKS) knows too few.
lock=../roles/backend/files/pytorch.lock
cp "$lock" "$lock.new"
compile pytorch.in --constraints ../requirements.lock --output-file "$lock.new"
if [ "$(sed -n '/^torch==/,/# via/p' "$lock.new" | grep -c hash)" -lt 2 ]; then
  rm "$lock.new"
  echo "pytorch.lock stays as it is: only one wheel of torch was found; ask PyTorch's own index" >&2
  exit 1
fi
mv "$lock.new" "$lock"
