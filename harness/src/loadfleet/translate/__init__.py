"""Command lines of CM, CK and MLC in the words of this project.

`shell` cuts text into commands as a shell would, `reading` tells what a command of theirs asks for, `rules` are the
YAML files in `data/`, `conversions` and `models` turn single values, and `translation` applies the rules. Nothing is
executed, nothing is looked up outside the catalogue. A flag, a script or a model more is a line of YAML.
"""

from loadfleet.translate.request import Part
from loadfleet.translate.translation import Translation, translate

__all__ = ["Part", "Translation", "translate"]
