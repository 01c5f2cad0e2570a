"""Generate `docs/cli.md`, the reference of the command line, from the command line itself.

python docs/generate_cli.py
"""

import enum
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from typer.models import ArgumentInfo, OptionInfo

from pippin.cli import VERBS

PAGE = Path(__file__).with_name("cli.md")

HEAD = """\
# Command line

This page is generated from the command line by `make docs`. `pippin VERB --help` prints the same.

A mistake in the arguments, the pictures or a run is reported in one line on standard error, with exit code 2. Ctrl-C
saves the work of `train` and `collect` and ends with exit code 130; the same command resumes.

"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(generate(), encoding="utf-8")


def generate() -> str:
    """Return the page as Markdown."""
    summary = "".join(f"| [`{verb.__name__}`](#{verb.__name__}) | {_paragraphs(verb.__doc__)[0]} |\n" for verb in VERBS)
    sections = "\n".join("\n".join(_section(verb)) for verb in VERBS)
    return f"{HEAD}| verb | what it does |\n| --- | --- |\n{summary}\n{sections}"


def _section(verb: Callable[..., None]) -> Iterator[str]:
    """Yield the lines of the section on a verb."""
    parameters = [Parameter.of(parameter) for parameter in inspect.signature(verb).parameters.values()]
    arguments = [each for each in parameters if isinstance(each.info, ArgumentInfo)]
    options = [each for each in parameters if isinstance(each.info, OptionInfo)]
    yield f"## {verb.__name__}\n"
    yield from (f"{paragraph}\n" for paragraph in _paragraphs(verb.__doc__))
    yield f"    pippin {verb.__name__} {' '.join(argument.value for argument in arguments)} [OPTIONS]\n"
    yield "| argument | meaning |\n| --- | --- |"
    yield from (f"| `{_cell(argument.value)}` | {_cell(argument.info.help)} |" for argument in arguments)
    yield ""
    if options:
        yield "| option | meaning | default |\n| --- | --- | --- |"
        yield from (f"| {_cell(each.names)} | {_cell(each.meaning)} | {_cell(each.default)} |" for each in options)
        yield ""


@dataclass
class Parameter:
    """A parameter of a verb, as its signature declares it to Typer.

    Attributes:
        name: of the function's parameter.
        kind: type of the value, without None and list.
        info: Typer's `ArgumentInfo` or `OptionInfo`.
        given: the default in the signature; `inspect.Parameter.empty` if a value is required.
    """

    name: str
    kind: Any
    info: Any
    given: Any

    @classmethod
    def of(cls, parameter: inspect.Parameter) -> "Parameter":
        """Return the description of a parameter, which must be `Annotated`."""
        annotation, info = get_args(parameter.annotation)
        kinds = [kind for kind in get_args(annotation) or [annotation] if kind is not type(None)]
        kind = get_args(kinds[0])[0] if get_args(kinds[0]) else kinds[0]
        return cls(parameter.name, kind, info, parameter.default)

    @property
    def value(self) -> str:
        """The placeholder for the value: `RUN`, `INTEGER`."""
        if isinstance(self.info, ArgumentInfo):
            return self.info.metavar or self.name.upper()
        return self.info.metavar or {int: "INTEGER", float: "NUMBER", Path: "PATH"}.get(self.kind, "TEXT")

    @property
    def names(self) -> str:
        """The names of the option, and the placeholder for its value."""
        first = [self.info.default] if isinstance(self.info.default, str) else []  # where Typer keeps it
        names = [*first, *(self.info.param_decls or ())] or [f"--{self.name.replace('_', '-')}"]
        joined = ", ".join(f"`{name}`" for declared in names for name in declared.split("/"))
        return joined if self.kind is bool or self._choices else f"{joined} `{self.value}`"

    @property
    def meaning(self) -> str:
        """The help without the default."""
        choices = f" One of {', '.join(f'`{choice}`' for choice in self._choices)}." if self._choices else ""
        return self._help[0] + choices

    @property
    def default(self) -> str:
        """The default: the one in the signature or else the one that the help names."""
        if self.given is inspect.Parameter.empty:
            return "required"
        if self._help[1] or self.given is None or self.given is False or self.given == "":
            return self._help[1]
        return f"`{self.given.value if isinstance(self.given, enum.Enum) else self.given}`"

    @property
    def _help(self) -> tuple[str, str]:
        """The help without the default, and the default that it names."""
        named = re.fullmatch(r"(.*?) Default: (.*)\.", self.info.help)
        return (named[1], named[2]) if named else (self.info.help, "")

    @property
    def _choices(self) -> list[str]:
        return [str(choice.value) for choice in self.kind] if issubclass(self.kind, enum.Enum) else []


def _paragraphs(text: str | None) -> list[str]:
    """Return the paragraphs of a docstring, each in one line."""
    return [" ".join(paragraph.split()) for paragraph in (text or "").strip().split("\n\n")]


def _cell(text: str) -> str:
    """Return a text as the cell of a table."""
    return text.replace("|", "\\|")


if __name__ == "__main__":
    main()
