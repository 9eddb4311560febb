#!/usr/bin/python
# Copyright (c) Loadfleet contributors
# SPDX-License-Identifier: Apache-2.0

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle
short_description: Bring a run's logs from a host to the controller, verified
version_added: 0.1.0
author:
  - Loadfleet contributors (@loadfleet)
description:
  - Packs those files of a run directory that the controller lacks into one archive, fetches it over the connection as
    the login user, verifies the digest of every file and renames the whole into place.
  - On a local connection files are copied without an archive, and from a host whose disk has no room for one they are
    fetched one by one.
  - A file that is already on the controller is never lost. When the host has another one of its name, the older goes to
    C(.superseded) beside it, unless it is the beginning of the newer (a log that has grown).
  - Memory use does not grow with the size of logs.
extends_documentation_fragment:
  - loadfleet.mlperf.attributes
  - loadfleet.mlperf.attributes.action
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
  idempotent:
    support: full
options:
  run_dir:
    description: The run's directory on the host. When it is missing there is nothing to bring, which is no error.
    type: str
    required: true
  dest:
    description: The host's folder below the run's results on the controller.
    type: str
    required: true
  present:
    description: Digests of the files that the controller has. Set by the action plugin.
    type: dict
    default: {}
  archive:
    description: Archive to write on the host. Set by the action plugin.
    type: str
    default: ""
"""

EXAMPLES = r"""
- name: Bring the logs home
  loadfleet.mlperf.bundle:
    run_dir: ~/.cache/loadfleet/runs/20261122T003500Z-bert-3f9a
    dest: results/20261122T003500Z-bert-3f9a/{{ inventory_hostname }}
"""

RETURN = r"""
dest:
  description: Where the files are.
  returned: always
  type: str
missing:
  description: Whether the host has no such run.
  returned: always
  type: bool
brought:
  description: Files that were transferred.
  returned: always
  type: list
  elements: str
bytes:
  description: Size of all files of the run.
  returned: always
  type: int
"""

import contextlib
import errno
import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.loadfleet.mlperf.plugins.module_utils import _tree
from ansible_collections.loadfleet.mlperf.plugins.module_utils._files import expand


def bundle(module: AnsibleModule) -> dict:
    params = module.params
    folder = expand(params["run_dir"])
    if not os.path.isdir(folder):
        return {"changed": False, "missing": True, "manifest": {}, "packed": {}, "wanted": [], "run_dir": folder}
    try:
        manifest = _tree.manifest(folder)
        wanted = _tree.differing({name: {"sha256": digest} for name, digest in params["present"].items()}, manifest)
        packed = {}
        if wanted and params["archive"] and not module.check_mode:
            packed = pack(folder, wanted, params["archive"])
    except OSError as error:
        module.fail_json(msg="%s: %s" % (error.filename or folder, error.strerror))
    # A log that grew after its digest was taken is what was packed.
    manifest.update(packed)
    changed = bool(wanted) or bool(set(params["present"]) - set(manifest))
    return {
        "changed": changed,
        "missing": False,
        "manifest": manifest,
        "packed": packed,
        "wanted": wanted,
        "run_dir": folder,
    }


def pack(folder: str, wanted: list, archive: str) -> dict:
    """The archive's manifest, empty when this disk has no room for an archive."""
    try:
        return _tree.pack(folder, wanted, archive)
    except OSError as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(archive)
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        return {}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "run_dir": {"type": "str", "required": True},
            "dest": {"type": "str", "required": True},
            "present": {"type": "dict", "default": {}},
            "archive": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    module.exit_json(**bundle(module))


if __name__ == "__main__":
    main()
