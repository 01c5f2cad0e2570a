"""The messages in Pippin's code, as the catalogue of translations holds them.

`python tests/messages.py` prints the entries that the Japanese catalogue lacks, ready to be filled in.
"""

import ast
import inspect
import json
import re
from itertools import product
from pathlib import Path

import pippin
from pippin.cli import VERBS
from pippin.translation import catalogue

HOUSE = Path(pippin.__file__).parent

WORDS = re.compile(r"[A-Za-z]{2,}[,:;)]* +[a-z({]|\}[,:;)]? [a-z]{2,}|[a-z]: +\{|\} [(][a-z]{2,}")
"""Two words, or a word and a value: the sign of a message."""

GENERIC = 8
"""Number of letters below which a template fits so many texts that some of its values must be restricted."""

NOT_SHOWN = {
    "Run('": "a representation in Python",
    "Dataset(": "a representation in Python",
    "Value error, ": "removed from messages of Pydantic",
    "pippin: ": "the name before each error",
    "d_loss {} g_loss {}": "names of losses",
    "original address": "a column of CREDITS.csv",
    "licence address": "a column of CREDITS.csv",
    "source page": "a column of CREDITS.csv",
    "CC {}": "a licence",
    "Pippin/{} (": "the name of the client",
    "def run(": "a program",
    "    del inputs": "a program",
    "{} number {}": "a key of a file",
    "3fr arw ": "suffixes of files",
    "\n    ": "names of functions and data types",
    "image is": "a verb, which the Japanese sentence does not need",
    "images are": "a verb, which the Japanese sentence does not need",
    " or {}": "a part of `{} or {}`",
    "{} of type {}": "what was received",
    "step {}": "a caption in a picture",
    "out of memory": "a part of messages of engines",
    "can't allocate memory": "a part of messages of engines",
    "cannot allocate memory": "a part of messages of engines",
    "next batches": "the name of a thread",
    "there is at least one port": "a failure that cannot occur",
    "the catalogue holds ": "a mistake of a translator",
    "sets version": "an event of the page",
    "event: ": "an event of the page",
    "private, max-age": "a header",
    "default-src ": "a header",
    "sandbox ": "a header",
    "export const ": "a script",
    "text/": "a header",
}
"""Beginnings of templates that are not translated, although they have words, and why."""

FILES = ("runs/report/", "show/diagram/layout.py", "show/diagram/labels.py", "show/diagram/svg.py", "studio/health.py")
"""Modules whose texts are in files, which stay English. The page of the studio has its own words for those of
`studio/health.py`."""

GIVEN = re.compile(r"\w+=(?:\{\}|\w+)")
"""An argument and its value, which are not translated."""

COLUMNS = re.compile(r" {2,}")
"""What is between columns of a line, which are translated one by one if the line as a whole has no translation."""


TAIL = re.compile(r"|[ ,.:;(].*", re.DOTALL)
"""The end of a sentence, which is no message by itself; or nothing."""


class Strings:
    """The strings of a module: what its code may say, with `{}` for values.

    Attributes:
        found: the texts.
    """

    def __init__(self, source):
        tree = ast.parse(source)
        self._seen = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
        self.found = []
        self._names = {}
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        for function in functions[::-1]:  # inner functions first, which see the names of outer ones too
            self._names = _assigned(function)
            self._collect(function)
        self._names = {}
        self._collect(tree)

    def _collect(self, tree):
        for node in ast.walk(tree):  # outer expressions come before those in them
            if node not in self._seen and isinstance(node, (ast.Constant, ast.JoinedStr, ast.BinOp, ast.IfExp)):
                texts, used = self._alternatives(node)
                if used:
                    self._seen.update(used)
                    self.found += texts

    def _alternatives(self, node):
        """Return the texts that an expression can have, and the nodes that they consist of; ["{}"] for a value."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return [node.value], [node]
        if isinstance(node, ast.IfExp):
            texts, used = self._any_of([node.body, node.orelse])
            return (texts, [node, *used]) if used else (["{}"], [])
        if isinstance(node, ast.Name) and node.id in self._names:
            texts, used = self._any_of(self._names.pop(node.id))
            return (texts, used) if used and any(map(TAIL.fullmatch, texts)) else (["{}"], [])
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            parts = [node.left, node.right]
        elif isinstance(node, ast.JoinedStr):
            parts = [each.value if isinstance(each, ast.FormattedValue) else each for each in node.values]
        else:
            return ["{}"], []
        before = dict(self._names)
        every = [self._alternatives(part) for part in parts]
        self._names = before
        used = [each for _, nodes in every for each in nodes]
        if isinstance(node, ast.JoinedStr):
            used += [*node.values, *(each for value in node.values for each in _format(value))]
        elif not used:
            return ["{}"], []
        return ["".join(texts) for texts in product(*(texts for texts, _ in every))], [node, *used]

    def _any_of(self, nodes):
        every = [self._alternatives(node) for node in nodes]
        texts = list(dict.fromkeys(text for texts, _ in every for text in texts))
        return texts, [each for _, used in every for each in used]


def _assigned(function):
    """Return the expressions that a function assigns to each of its names."""
    names = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=False))
            for name, value in pairs:
                if isinstance(name, ast.Name):
                    names.setdefault(name.id, []).append(value)
    return names


def _format(value):
    """Return the nodes of the format of a value in an f-string."""
    return ast.walk(value.format_spec) if isinstance(value, ast.FormattedValue) and value.format_spec else ()


def templates(text):
    """Return the templates for a text: that of the message and, if it has words, that of what was received."""
    text = re.sub(r"(\{\})+", "{}", text)
    message, received, values = f" {text}".partition(" Received: ")
    found = [message[1:].removesuffix(".")] if len(message) > 1 or not received else []
    words = GIVEN.sub("", values)
    if received and WORDS.search(words) and len(re.findall("[a-z]", words)) >= GENERIC:
        found.append(f"Received: {values}".removesuffix("."))
    return found


def is_message(template):
    """Return whether a template is a message, by its words."""
    shown = not template.startswith(tuple(NOT_SHOWN)) and "<" not in template
    return shown and bool(WORDS.search(GIVEN.sub("", template)))


def missing(catalogue):
    """Return the messages that a catalogue lacks. Columns of a line may have translations of their own."""
    found = []
    for template, modules in all_templates().items():
        if is_message(template) and not all(module.startswith(FILES) for module in modules):
            columns = [column for column in COLUMNS.split(template) if is_message(column)]
            if template not in catalogue and not all(column in catalogue for column in columns):
                found.append(template)
    return found


def all_templates():
    """Return the templates of all strings of Pippin's code and of the help of its verbs: template → modules."""
    found = {}
    for path in sorted(HOUSE.rglob("*.py")):
        texts = Strings(path.read_text(encoding="utf-8")).found
        for text in texts:
            is_part = TAIL.fullmatch(text) and any(text in other and other != text for other in texts)
            for template in () if is_part else templates(text):
                found.setdefault(template, set()).add(path.relative_to(HOUSE).as_posix())
    for verb in VERBS:
        for paragraph in inspect.getdoc(verb).split("\n\n"):
            found.setdefault(" ".join(paragraph.split()).removesuffix("."), set()).add("help")
    return found


if __name__ == "__main__":
    for each in missing(catalogue("ja")):
        print(f'msgid {json.dumps(each, ensure_ascii=False)}\nmsgstr ""\n')
