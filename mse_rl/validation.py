"""How settings complain: one line that names the setting, what it must be, and what it is."""

from math import inf

from mse_rl.errors import InvalidConfig

MOST = 10**18
"""More than any count can be."""
MOST_SEED = 2**32 - 1
"""NumPy's bound, which Stable-Baselines3 shares."""


def require(condition: bool, message: str) -> None:
    """Raise InvalidConfig with ``message`` unless ``condition`` holds."""
    if not condition:
        raise InvalidConfig(message)


def require_within(config: object, low: float, high: float, *names: str) -> None:
    """Raise unless each of these fields, where given, lies in [low, high]. NaN does not."""
    for name in names:
        value = getattr(config, name)
        require(
            value is None or low <= value <= high,
            f"`{name}` must lie between {low:g} and {high:g}, got {value}",
        )


def require_positive(config: object, *names: str) -> None:
    """Raise unless each of these fields, where given, is a positive number. NaN and infinity are not."""
    for name in names:
        value = getattr(config, name)
        require(value is None or 0 < value < inf, f"`{name}` must be positive, got {value}")
