"""Running playbooks from Python: CI jobs, dashboards and `loadfleet run` use this and nothing below it.

from loadfleet.fleet import RunRequest, run_playbook

result = run_playbook(RunRequest("bert.yml", inventory="inventory", on_progress=print))
sys.exit(result.exit_code)
"""

from loadfleet.fleet.request import Failure, HostStats, Progress, RunRequest, RunResult
from loadfleet.fleet.runner import run_playbook

__all__ = ["Failure", "HostStats", "Progress", "RunRequest", "RunResult", "run_playbook"]
