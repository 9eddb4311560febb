"""Applies the rules: a request of theirs becomes a command of ours, with a reason for each of its parts."""

from __future__ import annotations

import difflib
import re
import shlex
from typing import TYPE_CHECKING, Any

from loadfleet import hidden
from loadfleet.errors import InputError
from loadfleet.translate import reading, rules, shell
from loadfleet.translate.conversions import CONVERSIONS, Converted, from_words, is_placeholder
from loadfleet.translate.models import Wanted
from loadfleet.translate.request import Flag, Part, Request
from loadfleet.translate.translation import Translation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loadfleet.translate.rules import Rules

# values that need others: the model says which scenarios there are, the scenarios which targets
_LATER = {"all_scenarios": 1, "precision": 1}
_PER_SCENARIO = 2
_AT_LAST = 3


def translate(text: str) -> list[Translation]:
    """All commands of theirs in a text, in their order.

    Raises:
        InputError: None of the text is a command of theirs, or a quote is not closed.
    """
    known = rules.load()
    found: list[Translation] = []
    environment: dict[str, str] = {}
    for words in shell.commands(text):
        if (assigned := reading.exported(words)) is not None:
            environment.update(assigned)
            continue
        request = reading.read(words, known, environment)
        if request is not None:
            found.append(_Translator(request, known).result())
    if not found and environment:
        assignments = [reading.masked(f"{name}={value}", known) for name, value in environment.items()]
        request = Request(words=("export", *assignments))
        request.flags = [
            Flag(f"env.{name}", value, text)
            for (name, value), text in zip(environment.items(), assignments, strict=True)
        ]
        found.append(_Translator(request, known).settings())
    if not found:
        programs = ", ".join(known.programs)
        raise InputError(
            f"not a command of CM, CK or MLC: {' '.join(text.split())[:80]!r}",
            fix=f"Give a line that begins with one of {programs}, such as cm run script --tags=..., in single quotes.",
        )
    return found


class _Translator:
    """One request on its way; `result` is called once."""

    def __init__(self, request: Request, known: Rules) -> None:
        self.request = request
        self.rules = known
        self.found = Translation(line=request.line)
        self.wanted = Wanted(known.models)
        self.sections: list[str] = ["benchmark", "component", "tree"]
        self._later: list[tuple[int, Part, dict[str, Any], str]] = []

    def result(self) -> Translation:
        recipe = self.rules.recipe(self.request)
        if recipe is None:
            self.found.known = False
            self.found.about = "we do not know what this is for"
            recipe = {"benchmark": False}
        else:
            self.found.about = recipe["about"]
            self.found.says = recipe.get("says", "") or recipe.get("not_needed", "")
            self.sections = recipe["flags"]
            self.found.playbook = recipe.get("playbook", "")
            self.found.variables.update(recipe.get("set", {}))
            if "not_yet" in recipe:
                self.found.missing.append(recipe["not_yet"])
        self._parts(recipe)
        self._finish(recipe)
        return self.found

    def settings(self) -> Translation:
        """Assignments without a command: the variables that hold for the commands after them."""
        self.found.about = "Set what holds for the commands after it"
        self.found.says = "in inventory/group_vars/all.yml these hold for every command"
        self.sections = ["benchmark"]
        for flag in self.request.flags:
            self._flag(flag)
        self._do_later()
        return self.found

    def _parts(self, recipe: Mapping[str, Any]) -> None:
        """Everything that was given, in an order in which what is more explicit comes later and wins."""
        for name in self.request.implied:
            self._flag(Flag(name, None, f"{self.request.program} {name}".strip()))
        if recipe.get("backends_by_name"):
            self._backend_of_name()
        given = {flag.name for flag in self.request.flags}
        named = {each for each in self.request.variations if each.lower() in self.rules.models}
        for name, value in recipe.get("defaults", {}).items():
            if name not in given and f"env.MLPERF_{name.upper()}" not in given and not (name == "model" and named):
                self._flag(Flag(name, value, f"(no --{name})"), why=f"{value} is theirs by default")
        for variation in self.request.variations:
            self._variation(variation, benchmark="benchmark" in self.sections)
        for flag in self.request.flags:
            self._flag(flag)
        self._do_later()

    def _finish(self, recipe: Mapping[str, Any]) -> None:
        if recipe.get("benchmark"):
            playbook = self.wanted.settle(self.found.variables, self.found.missing)
            self.found.playbook = self.found.playbook or playbook
        if "any_model" in recipe:
            self.wanted.aside(recipe["any_model"])
        if "command" in recipe:
            self.found.words = self._command(recipe)
        elif "variables" in recipe:
            self.found.says = recipe["variables"]
        elif not self.found.playbook and self.found.known:
            self.found.variables = {}
            self._without_command("not_yet" if "not_yet" in recipe else "not_needed")

    def _without_command(self, status: str) -> None:
        """Nothing is run, so nothing is set."""
        for part in self.found.parts:
            if part.status == "set":
                part.status, part.ours = status, ""
                part.why = "goes with what is not there" if status == "not_yet" else "goes with what is not needed"

    def _command(self, recipe: Mapping[str, Any]) -> list[str]:
        """The command with its variables put in; what it has no use for is said so."""
        used: set[str] = set()
        words: list[str] = []
        for word in shlex.split(recipe["command"]):
            match = re.fullmatch(r"\{(\w+)(?:=(.*))?\}", word)
            if match is None:
                words.append(word)
            elif match[1] == "tags":
                words += self._search(words) or ([match[2]] if match[2] else [])
            else:
                used.add(match[1])
                words.append(str(self.found.variables.get(match[1], match[2])))
        options: dict[str, str] = {}
        for name, given in recipe.get("options", {}).items():
            used.add(name)
            options[name], _, placeholder = given.partition("=")
            if value := self.found.variables.get(name, placeholder):
                words += [options[name], str(value)]
        for part in self.found.parts:
            name = part.ours.partition(":")[0].partition(".")[0]
            if part.status == "set" and name not in used:
                part.status, part.ours, part.why = "not_needed", "", "the command has no use for it"
            elif part.status == "set" and name in options:
                part.ours = f"{options[name]} {part.ours.partition(': ')[2]}"
        self.found.variables = {}
        self.found.playbook = ""
        return words

    def _search(self, before: Sequence[str]) -> list[str]:
        """What is sought, in words for our search: without those that only say what a script does."""
        given = self.request.tags or self.request.names
        words = [self.rules.search_words.get(tag, tag) for tag in given if tag not in self.rules.filler_tags]
        # all of them fillers: kept, for nothing at all would stand for everything
        return [word for word in words or given if word not in before]

    def _backend_of_name(self) -> None:
        """CK's programs have framework and device in their names."""
        name = self.request.names[0] if self.request.names else ""
        words = name.split("-")
        for flag in ("backend", "device"):
            table = self.rules.words[flag]
            for word in (f"{words[-3]}-{words[-2]}" if len(words) > 2 else "", *reversed(words)):
                if word and word in table:
                    self._flag(Flag(flag, word, f"{word} in {name}"))
                    break

    def _variation(self, name: str, *, benchmark: bool) -> None:
        part = Part(f"_{name}", "unknown")
        self.found.parts.append(part)
        for rule in self.rules.variations:
            match = re.fullmatch(rule["pattern"], name) if "pattern" in rule else None
            if match or name in rule.get("names", ()):
                self._apply(part, rule, match[1] if match else "", on=True)
                break
        else:
            for flag in self.rules.spelled_as_variations:
                if name.lower() in self._table(flag):
                    self._apply(part, self.rules.flag(flag, ["benchmark"]) or {}, name, on=True)
                    break
            else:
                names = [each for rule in self.rules.variations for each in rule.get("names", ())]
                part.why = self._closest(name, names)
        if not benchmark and part.status in {"set", "not_yet", "unknown"}:
            self.found.variables.pop(part.ours.partition(":")[0], None)
            part.status, part.ours, part.why = "not_needed", "", "a choice inside their script"

    def _table(self, flag: str) -> Mapping[str, Any]:
        return self.rules.models if flag == "model" else self.rules.words[flag.removesuffix("_mode")]

    def _flag(self, flag: Flag, sections: Sequence[str] = (), why: str = "") -> None:
        name = self._environment_name(flag.name)
        part = Part(flag.text, "unknown")
        self.found.parts.append(part)
        rule = self.rules.flag(name, sections or self.sections)
        if rule is None:
            part.why = self._closest(name, self.rules.known_flags(sections or self.sections))
            return
        if "nested" in rule:
            self._nested(part, rule, flag)
            return
        value = flag.value if flag.value is not None else ""
        if rule.get("value") == "environment":
            value = f"{flag.name.partition('.')[2]}={value}"
        self._apply(part, rule, value, on=flag.on)
        part.why = part.why or why

    def _environment_name(self, name: str) -> str:
        """`env.CM_X`, `env.MLC_X` and `env.CK_X` are `env.X`; `env.OTHER` may be a variable of a tool of theirs."""
        kind, dot, variable = name.partition(".")
        if kind != "env" or not dot:
            return name
        for prefix in self.rules.environment_prefixes:
            if variable.startswith(prefix):
                return f"env.{variable.removeprefix(prefix)}"
        if self.rules.flag(f"env.{variable}", self.sections):
            return f"env.{variable}"
        return f"foreign_env.{variable}"

    def _nested(self, part: Part, rule: Mapping[str, Any], flag: Flag) -> None:
        text = (flag.value or "").strip()
        separator = rule.get("split")
        words = [word for word in text.split(separator) if word]
        inside = [Flag(word, None, word) for word in words] if separator else reading.options(text)
        part.status = "not_needed"
        part.why = "has nothing in it" if not inside else "has these in it:"
        for each in inside:
            self._flag(
                Flag(each.name, each.value, f"  {each.text}"),
                [rule["nested"], *(["benchmark"] if rule["nested"] == "reference" else [])],
            )

    def _apply(self, part: Part, rule: Mapping[str, Any], text: str, *, on: bool) -> None:
        kind = rule.get("value", "")
        if kind == "switch" and not on:
            part.status, part.why = "not_needed", rule["when_off"]
        elif "not_yet" in rule or ("not_needed" in rule):
            part.status = "not_yet" if "not_yet" in rule else "not_needed"
            part.why = rule[part.status]
        elif kind == "model":
            self._model(part, text)
        elif "closed" in rule or "append" in rule:
            self._later.append((_AT_LAST, part, dict(rule), text))
            self._fixed(part, {name: each for name, each in rule.items() if name != "append"})
        elif kind in _LATER or rule.get("per_scenario"):
            self._later.append((_LATER.get(kind, _PER_SCENARIO), part, dict(rule), text))
        elif "variable" in rule:
            self._set(part, rule, text)
            if "unless" in rule:
                self._later.append((_AT_LAST, part, dict(rule), text))
        else:
            part.status, part.why = "set", rule.get("says", "")
            self._fixed(part, rule)

    def _fixed(self, part: Part, rule: Mapping[str, Any]) -> None:
        ours: list[str] = []
        for name, value in rule.get("set", {}).items():
            self.found.variables[name] = value
            ours.append(f"{name}: {shown(value)}")
        for name, values in rule.get("append", {}).items():
            before = self.found.variables.get(name, ["accuracy", "performance"])
            self.found.variables[name] = [*before, *(each for each in values if each not in before)]
            ours.append(f"{name}: {shown(self.found.variables[name])}")
        if "option" in rule:
            self.found.options.append(rule["option"])
            ours.append(rule["option"])
        if "playbook" in rule:
            self.found.playbook = rule["playbook"]
            ours.append(f"playbooks/{rule['playbook']}")
        part.ours = ", ".join(ours)

    def _set(self, part: Part, rule: Mapping[str, Any], text: str) -> None:
        kind = rule["value"]
        if is_placeholder(text) and kind not in {"mode", "environment"}:
            part.status = "not_yet" if not text else "set"
            part.ours = "" if not text else f"{rule['variable']}: {text}"
            part.why = "it has no value" if not text else "put your value in"
            if text:
                self._store(rule["variable"], text)
            return
        texts = text.split(",") if rule.get("list") else [text]
        results = [self._convert(kind, each.strip() if rule.get("list") else each) for each in texts]
        bad = next((each for each in results if each.status != "set"), None)
        if bad is not None:
            part.status, part.why = bad.status, bad.says
            if bad.playbook:
                self.found.playbook = bad.playbook
                part.status, part.ours = "set", f"playbooks/{bad.playbook}"
            return
        value = [each.value for each in results] if rule.get("list") else results[0].value
        if rule.get("joined") and rule["variable"] in self.found.variables:
            value = f"{self.found.variables[rule['variable']]},{value}"
        part.status = "set"
        part.why = next((each.says for each in results if each.says), "") or rule.get("says", "")
        if kind == "environment":
            name, _, content = str(value).partition("=")
            if hidden.is_secret(name):
                part.status = "not_yet"
                part.why = f"secrets are in no command line: loadfleet run --secret benchmark_environment.{name}={name}"
                return
            self._store(f"{rule['variable']}.{name}", content)
            part.ours = f"{rule['variable']}.{name}: {content}"
            return
        self._store(rule["variable"], value)
        part.ours = f"{rule['variable']}: {shown(value)}"

    def _convert(self, kind: str, text: str) -> Converted:
        if kind in CONVERSIONS:
            return CONVERSIONS[kind](text)
        if kind == "environment":
            return Converted(text)
        return from_words(text, self.rules.words[kind])

    def _store(self, variable: str, value: Any) -> None:
        """Puts a value under a name, below a mapping where the name has a dot in it."""
        name, _, key = variable.partition(".")
        if key:
            below = self.found.variables.setdefault(name, {})
            below[key] = value
        else:
            self.found.variables[name] = value

    def _model(self, part: Part, text: str) -> None:
        if is_placeholder(text):
            part.status, part.why = "set", f"put a model in: {next(iter(self.rules.models))}, for example"
            return
        if not self.wanted.choose(text, part):
            part.why = self._closest(text, self.rules.models, "a model")

    def _do_later(self) -> None:
        for phase, part, rule, text in sorted(self._later, key=lambda each: each[0]):
            kind = rule.get("value", "")
            if phase == _AT_LAST:
                self._at_last(part, rule)
                continue
            if kind == "precision":
                converted = from_words(text, self.rules.words["precision"])
                if converted.status != "set":
                    part.status, part.why = converted.status, converted.says
                else:
                    self.wanted.precision(converted.value, part, self.found.variables)
            elif kind == "all_scenarios":
                scenarios, why = self.wanted.all_scenarios(self.found.variables)
                self.found.variables[rule["variable"]] = scenarios
                part.status, part.ours, part.why = "set", f"{rule['variable']}: {shown(scenarios)}", why
            else:
                self._for_scenarios(part, rule, text)
        self._later.clear()

    def _at_last(self, part: Part, rule: Mapping[str, Any]) -> None:
        """What depends on a variable that may come later: compliance on the division, counts on the execution."""
        variables = self.found.variables
        if "append" in rule:
            part.status, part.why = "set", rule.get("says", "")
            self._fixed(part, rule)
        if "closed" in rule:
            part.status, part.why = "set", rule.get("says", "")
            if variables.get("submission_division") == "closed":
                self._fixed(part, rule["closed"])
        for name, value in rule.get("unless", {}).items():
            if variables.get(name) == value and part.status == "set":
                variables.pop(rule["variable"], None)
                part.status, part.ours, part.why = "not_needed", "", f"{name} is {value}: the round's rules say it"

    def _for_scenarios(self, part: Part, rule: Mapping[str, Any], text: str) -> None:
        """One value for every scenario that takes it."""
        asked = self.found.variables.get("benchmark_scenarios", ["Offline"])
        ours: list[str] = []
        for scenario in asked:
            if scenario in rule["per_scenario"]:
                self._set(part, {**rule, "variable": f"{rule['variable']}.{scenario}"}, text)
                ours += [part.ours] if part.ours else []
        if part.status == "unknown" and not part.why:
            part.status, part.why = "not_needed", f"{' and '.join(asked)} has no such target"
        part.ours = ", ".join(ours)

    @staticmethod
    def _closest(name: str, known: Iterable[str], what: str = "") -> str:
        close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.7)
        text = f"it is not known as {what}" if what else ""
        return "; ".join(each for each in (text, f"is {close[0]} meant?" if close else "") if each)


def shown(value: Any) -> str:
    """A value as YAML has it on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(shown(each) for each in value)}]"
    return str(value)
