"""Forms as YAML, for people; every text is quoted: no reader takes it for a number or a truth value."""

from collections.abc import Mapping
from typing import Any

import yaml


def to_yaml(form: Mapping[str, Any]) -> str:
    """A form of mappings, lists, texts, numbers and truth values as a YAML document, keys in their order."""
    written: str = yaml.dump(
        dict(form), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=float("inf")
    )
    return written


class _Dumper(yaml.SafeDumper):
    """Quotes texts, keeps their lines as lines, quotes a key only where it has to, and indents lists."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 for all data
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 never
        super().increase_indent(flow, indentless=False)

    def represent_mapping(self, tag: str, mapping: Any, flow_style: bool | None = None) -> yaml.MappingNode:
        node = super().represent_mapping(tag, mapping, flow_style)
        for key, _ in node.value:
            key.style = None
        return node


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else '"')


_Dumper.add_representer(str, _text)
