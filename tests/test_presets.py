"""The tables of presets: a row for every data set and preset, and the documentation shows them."""

from pathlib import Path

import pytest

from search.config import PRESETS, StageConfig
from search.preset_tables import SCHEDULES, TABLES, TRAITS, markdown
from search.presets import preset
from ttfs_jax.support.errors import InputError

DOCS = Path(__file__).parents[1] / "docs" / "search.md"


@pytest.mark.parametrize("title", TABLES)
def test_the_documentation_shows_the_tables_as_they_are(title):
    assert markdown(title, TABLES[title]) in DOCS.read_text(encoding="utf-8")


@pytest.mark.parametrize("title", TABLES)
def test_every_row_has_a_reason(title):
    assert all(row.why for row in TABLES[title].values())


def test_every_data_set_with_rows_has_all_presets():
    assert set(SCHEDULES) == {(data, preset) for data in TRAITS for preset in PRESETS}


def test_the_usual_learning_rate_is_that_of_a_stage():
    rates = {row.learning_rate for row in SCHEDULES.values()}
    assert StageConfig.learning_rate in rates and len(rates) == 2


def test_an_unknown_preset_is_named():
    with pytest.raises(InputError, match="unknown preset 'smok': did you mean smoke"):
        preset("digits", "smok")


def test_a_table_by_hand():
    text = markdown("data", {"digits": TRAITS["digits"]})
    assert text.splitlines()[0].startswith("| data | supernet batch | batch | activity penalty |")
    assert text.splitlines()[2].startswith("| `digits` | 128 | 64 | 0.1 | 1.0 | 6 |")
