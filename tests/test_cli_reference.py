"""The page on the command line is what the command line generates."""

import importlib.util
from pathlib import Path

import typer

from pippin.cli import VERBS, app

DOCS = Path(__file__).resolve().parents[1] / "docs"


def load_generator():
    spec = importlib.util.spec_from_file_location("generate_cli", DOCS / "generate_cli.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date():
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == load_generator().generate(), "run `make docs`"


def test_the_page_has_every_verb_and_every_option_as_the_command_line_parses_them():
    sections = load_generator().generate().split("\n## ")[1:]
    commands = typer.main.get_command(app).commands
    assert [section.split("\n")[0] for section in sections] == list(commands) == [verb.__name__ for verb in VERBS]
    for section, command in zip(sections, commands.values(), strict=True):
        for parameter in command.params:
            if parameter.param_type_name == "option" and parameter.name != "help":
                row = next(line for line in section.splitlines() if f"`{parameter.opts[-1]}`" in line.split(" | ")[0])
                assert all(f"`{name}`" in row for name in (*parameter.opts, *parameter.secondary_opts))
                assert row.endswith("| required |") == parameter.required


def test_every_option_and_argument_has_a_sentence_of_help():
    for name, command in typer.main.get_command(app).commands.items():
        for parameter in command.params:
            text = parameter.help
            assert text, (name, parameter.name)
            assert text[0].isupper() or not text[0].isalpha(), (name, text)
            assert parameter.name == "help" or text.endswith("."), (name, text)
