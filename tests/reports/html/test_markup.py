"""Text stays text."""

import html
import json
import re

from hypothesis import given
from hypothesis import strategies as st

from dymu.reports.html.markup import Markup, embedded_json, join, tag

HOSTILE = "\"><script>alert(1)</script>'&amp;"


def test_text_and_attributes_are_escaped() -> None:
    made = tag("p", HOSTILE, title=HOSTILE)
    assert "<script" not in made
    assert made.count('"') == 2


def test_markup_is_not_escaped_twice() -> None:
    assert tag("p", tag("b", "<")) == "<p><b>&lt;</b></p>"


def test_nothing_is_left_out() -> None:
    assert (
        tag("p", None, join("a", None, "b"), hidden=True, id=None, class_="c") == '<p hidden class="c">ab</p>'
    )


def test_underscores_are_hyphens() -> None:
    assert tag("meta", http_equiv="x") == '<meta http-equiv="x">'


@given(st.text())
def test_escaping_loses_nothing(text: str) -> None:
    made = tag("p", text)
    assert isinstance(made, Markup)
    assert "<" not in made[3:-4]
    assert html.unescape(made[3:-4]) == html.unescape(html.escape(text))


@given(
    st.recursive(
        st.text() | st.integers() | st.booleans(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_data_ends_where_it_should_and_is_what_it_was(form: object) -> None:
    made = embedded_json(form, identity="data")
    body = re.fullmatch(r'<script id="data" type="application/json">([^<>&]*)</script>', made)
    assert body is not None
    assert json.loads(body[1]) == form
