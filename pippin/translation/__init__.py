"""Translation of what Pippin says into the user's language, at the places where text reaches the user.

All messages in the code are English: errors, lines that are printed, help, reasons. The catalogue `ja.po` holds them as
templates, with `{}` for each value. A finished sentence is compared with the templates, and the translation of the one
that fits is filled with the sentence's values. So errors stay English in Python, in logs and in files.
"""

from pippin.translation.catalogue import LANGUAGES, catalogue, preferred_language
from pippin.translation.templates import Translator

__all__ = ["LANGUAGES", "Translator", "catalogue", "preferred_language"]
