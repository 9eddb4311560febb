"""Command lines of CM, CK and MLC in the words of this project.

`shell` cuts text into commands as a shell would, `reading` tells what a command of theirs asks for, `rules` are the
YAML files in `data/`, `conversions` and `models` turn single values, and `translator` applies the rules, which gives a
`translation`. Nothing is executed, nothing is looked up outside the catalogue. A flag, a script or a model more is a
line of YAML.
"""

from loadfleet.translate.request import Part
from loadfleet.translate.translation import Translation
from loadfleet.translate.translator import translate

__all__ = ["Part", "Translation", "translate"]
