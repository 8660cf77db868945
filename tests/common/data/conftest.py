"""What the tests of the data readers share."""

import pytest

from common.cli import UserError
from common.data.point_clouds import load_point_clouds


@pytest.fixture
def refused():
    """Load point clouds with these arguments, which must end in a one-line UserError; returns its message."""

    def load(*arguments, **named) -> str:
        with pytest.raises(UserError) as raised:
            load_point_clouds(*arguments, **named)
        assert "\n" not in str(raised.value)
        return str(raised.value)

    return load
