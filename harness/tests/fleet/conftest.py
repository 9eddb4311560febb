from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "results"))

ACTION = """
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display


class ActionModule(ActionBase):
    def run(self, tmp=None, task_vars=None):
        for line in self._task.args["lines"]:
            Display().display(line)
        return {"changed": False}
"""

PLAYBOOKS = {
    "good": """
    - name: Say how it goes
      say:
        lines:
          - "localhost    bert/Offline/performance        40 %  1,200 of 3,000 samples"
          - "localhost    bert/Offline/performance       VALID  1,234 samples/s"
""",
    "bad": """
    - name: Ask for a token
      ansible.builtin.fail:
        msg: "the token {{ token }} was refused"
""",
    "leak": """
    - name: Show a secret
      ansible.builtin.debug:
        msg: "{{ token }}"
    - name: Show the environment
      ansible.builtin.command: env
      changed_when: false
""",
    "rescued": """
    - block:
        - name: Try
          ansible.builtin.fail:
            msg: once
      rescue:
        - name: Go on
          ansible.builtin.debug:
            msg: well
""",
    "slow": """
    - name: Measure for a long time
      ansible.builtin.command: sleep 60
      changed_when: false
""",
    "stop": """
    - name: Remember what was stopped
      ansible.builtin.copy:
        dest: "{{ inventory_dir }}/stopped"
        content: "{{ benchmark_run_id }}"
        mode: "0600"
""",
}


@pytest.fixture
def tiny_project(tmp_path: Path) -> Path:
    """A project with an inventory and playbooks that end at once, or never."""
    playbooks = tmp_path / "playbooks"
    (playbooks / "action_plugins").mkdir(parents=True)
    (playbooks / "action_plugins" / "say.py").write_text(ACTION)
    for name, tasks in PLAYBOOKS.items():
        (playbooks / f"{name}.yml").write_text(
            f"- name: Play {name}\n  hosts: all\n  gather_facts: false\n  tasks:\n" + tasks.lstrip("\n")
        )
    (playbooks / "broken.yml").write_text("- hosts: all\n  tasks:\n    - nonsense_module_name: {}\n")
    (tmp_path / "galaxy.yml").write_text("namespace: tiny\n")
    (tmp_path / "ansible.cfg").write_text("[defaults]\nlocalhost_warning = false\n")
    (tmp_path / "hosts").write_text(f"localhost ansible_connection=local ansible_python_interpreter={sys.executable}\n")
    return tmp_path
