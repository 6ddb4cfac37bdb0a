import pytest

from mse_rl.config import TrainConfig
from mse_rl.errors import InvalidConfig
from mse_rl.runs.memory import WORKER_BYTES, free_memory, require_memory


def test_more_workers_than_memory_allows_are_refused_with_the_number_that_it_allows():
    free = 4 * (WORKER_BYTES + (64 << 20))
    require_memory(TrainConfig(workers=4), free)
    with pytest.raises(InvalidConfig, match="lower --workers to 4 "):
        require_memory(TrainConfig(workers=5), free)


def test_where_the_system_does_not_tell_nothing_is_refused():
    require_memory(TrainConfig(workers=10_000), None)


def test_what_is_free_is_positive_where_it_is_known():
    free = free_memory()
    assert free is None or free > 0
