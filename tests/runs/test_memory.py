from dataclasses import replace

import pytest

from mse_rl.config.commands import TrainConfig
from mse_rl.costs import training_bytes
from mse_rl.envs.expansion import Context, ExpansionEnv
from mse_rl.errors import InvalidConfig
from mse_rl.runs.machine import (
    WORKER_BYTES,
    free_memory,
    largest_child_bytes,
    require_memory,
    require_shared_memory,
)


def test_more_workers_than_memory_allows_are_refused_with_the_number_that_it_allows():
    child = 100 << 20
    free = 4 * (WORKER_BYTES + (120 << 20) + child)
    require_memory(TrainConfig(workers=4), child, free)
    with pytest.raises(InvalidConfig, match="lower `workers` to 4 "):
        require_memory(TrainConfig(workers=5), child, free)


def test_where_the_system_does_not_tell_nothing_is_refused():
    require_memory(TrainConfig(workers=10_000), 0, None)


def test_what_is_free_is_positive_where_it_is_known():
    free = free_memory()
    assert free is None or free > 0


@pytest.mark.parametrize(("limit", "free"), [("max", 8 << 20), ("7000000", 3_000_000), ("90000000", 8 << 20)])
def test_a_container_has_what_it_is_allowed_less_what_it_holds_but_for_cached_files(tmp_path, limit, free):
    group = tmp_path / "sys/fs/cgroup"
    for name, text in {
        "proc/meminfo": "MemTotal:       10000 kB\nMemAvailable:    8192 kB\n",
        "sys/fs/cgroup/memory.max": f"{limit}\n",
        "sys/fs/cgroup/memory.current": "5000000\n",
        "sys/fs/cgroup/memory.stat": "anon 4000000\ninactive_file 1000000\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert free_memory(tmp_path) == free
    for file in group.iterdir():
        file.unlink()
    assert free_memory(tmp_path) == 8 << 20
    (tmp_path / "proc/meminfo").unlink()
    assert free_memory(tmp_path) is None


def test_the_largest_child_is_estimated_by_its_budget_and_bounded_by_that_of_memory(tiny, task):
    def estimate(high, memory=None):
        budget, growth = replace(tiny.budget, budget_high=high), replace(tiny.growth, memory_budget=memory)
        return largest_child_bytes(ExpansionEnv(replace(tiny, budget=budget, growth=growth), tasks=(task,)))

    assert estimate(8.0) == pytest.approx(4 * estimate(2.0), rel=0.01)
    assert estimate(8.0, memory=estimate(2.0)) == estimate(2.0)
    env = ExpansionEnv(tiny, tasks=(task,))
    first = env.first_architecture(Context(0, 0, 2.0, 1.0))
    assert estimate(2.0) == 2 * training_bytes(first, tiny.growth.batch_size)


def test_a_budget_that_bounds_nothing_asks_for_no_more_than_the_search_space_allows(tiny, task):
    env = ExpansionEnv(replace(tiny, budget=replace(tiny.budget, flops_budget=10**15)), tasks=(task,))
    bound = largest_child_bytes(env)
    space = replace(tiny.space, max_width=2 * tiny.space.max_width)
    assert largest_child_bytes(ExpansionEnv(replace(env.config, space=space), tasks=(task,))) > bound
    assert bound < 10 << 30


def test_where_not_even_one_worker_fits_fewer_are_no_advice():
    with pytest.raises(InvalidConfig, match="free: lower `cache_mb` or the budget"):
        require_memory(TrainConfig(workers=2), 0, 1 << 20)


def test_data_that_workers_cannot_share_is_refused(task):
    needed = sum(t.nbytes for part in (task.train, task.validation, task.test) for t in (part.x, part.y))
    require_shared_memory((task,), needed)
    require_shared_memory((task, task), None)
    with pytest.raises(InvalidConfig, match="lower `max_train`"):
        require_shared_memory((task, task), needed)
