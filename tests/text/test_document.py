"""A table is one value: what it holds does not depend on who prints it."""

from __future__ import annotations

from specialize.cli.output import to_text
from specialize.report.html import to_html
from specialize.text.document import (
    Beside,
    Cell,
    Column,
    Heading,
    Line,
    Page,
    Table,
    View,
    pairs,
    table,
    words,
)

TABLE = table(
    "camera",
    "shift\nmm",
    Column("rows", "bars"),
    Column("remark", "words", page=True),
    rows=[
        ("front", "3.24", Cell("1,234", 1.0), "another lens"),
        ("<b>back</b>", "12.00", Cell("0", state="bad"), Cell("more", link="#more")),
    ],
)


def page(*parts: str | Table | Heading | Line | View | Beside) -> str:
    """Return the HTML of a page with some parts."""
    return to_html(Page("title", "subtitle", (), parts))


def test_the_first_column_is_words_and_the_others_are_figures() -> None:
    """Heads say otherwise by being columns; plain strings become cells."""
    assert [column.kind for column in TABLE.columns] == ["words", "figures", "bars", "words"]
    assert TABLE.rows[0][1] == Cell("3.24")
    assert [column.kind for column in words("a", "b")] == ["words", "words"]


def test_text_leaves_out_what_only_pages_have_room_for() -> None:
    """Bars, marks and links are not printed, nor are columns of pages."""
    assert to_text(("head", TABLE)) == (
        "head\n\n"
        "             shift\n"
        "camera          mm   rows\n"
        "front         3.24  1,234\n"
        "<b>back</b>  12.00      0\n"
    )


def test_a_page_has_every_cell_with_its_bar_mark_and_link() -> None:
    """Names are text and not markup; a cell without a bar draws none."""
    html = page(TABLE)
    assert '<th scope="row" class="words">&lt;b&gt;back&lt;/b&gt;</th>' in html
    assert '<td class="bars">1,234<span class="bar" style="width:100.00%"></span></td>' in html
    assert '<td class="bars bad">0</td>' in html
    assert '<td class="words"><a href="#more">more</a></td>' in html
    assert '<th scope="col" class="figures">shift\nmm</th>' in html


def test_names_and_values_have_no_heads() -> None:
    """A table whose columns have no titles has no row of heads."""
    html = page(pairs([("profile", "sha256:0")], "code"))
    assert "<thead>" not in html and '<td class="code">sha256:0</td>' in html


def test_parts_stand_in_their_order() -> None:
    """Headings with their anchors, marked lines, plain paragraphs, and parts side by side."""
    html = page(Heading("one", 3, "here"), Line("two", "bad"), "3 % & more", Beside((("four",), ("five",))))
    places = [
        html.index(text)
        for text in (
            '<h3 id="here">one</h3>',
            '<p class="bad">two</p>',
            "3\u00a0% &amp; more",
            '<div class="halves">',
            ">four<",
            ">five<",
        )
    ]
    assert places == sorted(places)
