"""What a person reads."""

import pytest

from mse_rl.cli.console import with_flags
from mse_rl.training.slice import duration


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.0312, "0.031 s"),
        (23.4, "23 s"),
        (89.0, "89 s"),
        (91.0, "1.5 min"),
        (400.0, "6.7 min"),
        (5399.0, "90 min"),
        (9000.0, "2.5 h"),
        (360000.0, "100 h"),
        (3.6e6, "1000 h"),
    ],
)
def test_a_time_has_two_digits_and_the_unit_that_suits_it(seconds, shown):
    assert duration(seconds) == shown


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("raise `memory_budget` or lower `batch_size`", "raise --memory-budget or lower --batch-size"),
        ("one as `task`, got 'a_b'", "one as --task, got 'a_b'"),
        ("`a` and `b`", "--a and --b"),
    ],
)
def test_settings_are_flags_on_the_command_line(message, shown):
    assert with_flags(message) == shown
