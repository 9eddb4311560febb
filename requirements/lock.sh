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
# The CPU build of PyTorch is not on PyPI: set UV_TORCH_BACKEND=cpu, or UV_FIND_LINKS to a folder that has the wheel.
compile pytorch.in --constraints ../requirements.lock --output-file ../roles/backend/files/pytorch.lock
