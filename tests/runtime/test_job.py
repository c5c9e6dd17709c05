"""A job refuses what no page can be decoded from."""

from dataclasses import replace

import numpy as np
import pytest
from pages import library, plan

from genpage.errors import InputError
from runtime.fake import FakeModel


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", np.array([], np.int32)),
        ("autoregressive", 0),
        ("temperature", -0.1),
        ("temperature", float("nan")),
        ("temperature", float("inf")),
        ("prompt_rows", 1),
        ("prompt_rows", -1),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object) -> None:
    """Each by its name."""
    page = plan(library())
    job = page.job(FakeModel.of(page.catalog))
    with pytest.raises(InputError, match=field):
        replace(job, **{field: value})  # type: ignore[arg-type] # wrong on purpose
