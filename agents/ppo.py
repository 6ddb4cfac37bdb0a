"""MaskablePPO over groups of whole episodes that worker processes play."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from sb3_contrib import MaskablePPO
from sb3_contrib.common.maskable.buffers import MaskableDictRolloutBuffer, MaskableDictRolloutBufferSamples
from sb3_contrib.common.maskable.distributions import MaskableDistribution
from sb3_contrib.common.maskable.policies import MaskableMultiInputActorCriticPolicy
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv
from torch import Tensor

from mse_rl.agents.controller import Episode
from mse_rl.agents.grouping import TRAINING, Collector, Group, context_of, group_advantages
from mse_rl.agents.jobs import PolicyWeights
from mse_rl.agents.learned import BlockNetwork
from mse_rl.config.commands import PPOConfig
from mse_rl.envs.actions import Layout
from mse_rl.envs.expansion import ExpansionEnv
from mse_rl.errors import ChildFailed
from mse_rl.training import ACCOUNTS

Observations = dict[str, Tensor]


class BlockPolicy(MaskableMultiInputActorCriticPolicy):
    """The policy network, as Stable-Baselines3 asks for it. There is no critic.

    Args:
        *arguments: as Stable-Baselines3 gives them: spaces and learning rate.
        layout: of the network.
        **settings: as Stable-Baselines3 gives them.
    """

    def __init__(self, *arguments: Any, layout: Layout, **settings: Any) -> None:
        self.layout = layout
        super().__init__(*arguments, **settings)

    def _build(self, lr_schedule: Callable[[float], float]) -> None:
        self.network = BlockNetwork(self.layout)
        self.network.reset_parameters_(torch.Generator().manual_seed(torch.initial_seed()))
        self.optimizer = torch.optim.Adam(self.parameters(), lr=lr_schedule(1), eps=1e-5)

    def get_distribution(  # type: ignore[override]
        self, obs: Observations, action_masks: Any = None
    ) -> MaskableDistribution:
        """Return the distribution over actions."""
        logits = self.network(obs["globals"], obs["blocks"])
        distribution = self.action_dist.proba_distribution(action_logits=logits)
        if action_masks is not None:
            distribution.apply_masking(action_masks)
        return distribution

    def forward(  # type: ignore[override]
        self, obs: Observations, deterministic: bool = False, action_masks: Any = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return actions, values and log-probabilities, (n,) each."""
        distribution = self.get_distribution(obs, action_masks)
        actions = distribution.get_actions(deterministic=deterministic)
        return actions, self.predict_values(obs), distribution.log_prob(actions)

    def evaluate_actions(  # type: ignore[override]
        self, obs: Observations, actions: Tensor, action_masks: Any = None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return values, log-probabilities and entropy, (n,) each."""
        distribution = self.get_distribution(obs, action_masks)
        return self.predict_values(obs), distribution.log_prob(actions), distribution.entropy()

    def predict_values(self, obs: Observations) -> Tensor:  # type: ignore[override]
        """Return values (n,): zero, for there is no critic."""
        return torch.zeros(len(obs["globals"]))


class GroupRolloutBuffer(MaskableDictRolloutBuffer):
    """Whole episodes, in groups; advantages are relative to the group.

    Episodes that end early leave rows unused at the end: only the first ``rows`` are given out.
    """

    rows: int

    def fill(self, groups: list[list[Episode]], policy: BlockPolicy, *, decisions: int) -> None:
        """Fill the buffer with the episodes of an update, which have at most so many decisions."""
        self.reset()
        advantages = np.concatenate([a for group in groups for a in group_advantages(group, decisions)])
        # One scale for all: the spread of a minibatch or of a group would be noise.
        advantages /= np.sqrt(np.mean(advantages**2)) + 1e-8
        episodes = [episode for group in groups for episode in group]
        self.rows = len(advantages)
        filled = slice(0, self.rows)
        for key, stored in self.observations.items():
            stored[filled, 0] = [step[key] for episode in episodes for step in episode.observations]
        self.actions[filled, 0, 0] = [action for episode in episodes for action in episode.actions]
        self.action_masks[filled, 0] = [mask for episode in episodes for mask in episode.masks]
        self.rewards[filled, 0] = [reward for episode in episodes for reward in episode.rewards]
        self.returns[filled, 0] = np.concatenate([np.cumsum(e.rewards[::-1])[::-1] for e in episodes])
        self.advantages[filled, 0] = advantages
        self._evaluate(policy, filled)
        self.pos, self.full = self.buffer_size, True

    @torch.no_grad()
    def _evaluate(self, policy: BlockPolicy, filled: slice) -> None:
        obs = {key: self.to_torch(stored[filled, 0]) for key, stored in self.observations.items()}
        actions = self.to_torch(self.actions[filled, 0, 0]).long()
        values, log_probs, _ = policy.evaluate_actions(obs, actions, self.action_masks[filled, 0])
        self.values[filled, 0], self.log_probs[filled, 0] = values.numpy(), log_probs.numpy()

    def get(self, batch_size: int | None = None) -> Iterator[MaskableDictRolloutBufferSamples]:  # type: ignore[override]
        """Yield the rows in random order, in near-equal minibatches of about ``batch_size``."""
        if not self.generator_ready:
            self.observations = {key: self.swap_and_flatten(obs) for key, obs in self.observations.items()}
            for name in ("actions", "values", "log_probs", "advantages", "returns", "action_masks"):
                setattr(self, name, self.swap_and_flatten(getattr(self, name)))
            self.generator_ready = True
        order = np.random.permutation(self.rows)  # noqa: NPY002 - Stable-Baselines3 seeds this one
        parts = max(1, self.rows // (batch_size or self.rows))
        for indices in np.array_split(order, parts):
            yield self._get_samples(indices)


class GroupedPPO(MaskablePPO):
    """MaskablePPO whose rollouts are groups of whole episodes, played by a pool of workers.

    γ = 1 and no bootstrapping: an episode's return is what the finished child is worth.

    What remains of MaskablePPO is ``train``, the clipped update with masks, and what Stable-Baselines3 has
    around it: ``learn``, schedules of the learning rate, the logger. Rollouts, advantages and the policy are
    our own. It is kept because its update is the one that others have tested and compared with, and because
    its callbacks, loggers and policies fit.

    Args:
        env: gives spaces and contexts; nothing is trained in it.
        collector: plays the episodes.
        config: the numbers of PPO.
        seed: of the run.
        on_episode: called with every episode, in order.
        on_update: called after every update of the policy.
    """

    def __init__(
        self,
        env: ExpansionEnv,
        collector: Collector,
        config: PPOConfig,
        *,
        seed: int,
        on_episode: Callable[[Episode], None],
        on_update: Callable[[], None] = lambda: None,
    ) -> None:
        self.collector, self.config, self.contexts = collector, config, env
        self.on_episode, self.on_update = on_episode, on_update
        self._since = time.perf_counter()
        self.decisions = env.config.growth.slices
        rows = config.episodes_per_update * self.decisions
        super().__init__(
            BlockPolicy,
            DummyVecEnv([lambda: env]),
            learning_rate=LinearSchedule(config.policy_learning_rate, config.policy_learning_rate_end, 1.0),
            n_steps=rows,
            batch_size=max(2, rows // 4),
            n_epochs=config.epochs,
            gamma=1.0,
            gae_lambda=1.0,
            clip_range=config.clip_range,
            ent_coef=config.entropy_weight,
            vf_coef=0.0,
            normalize_advantage=False,
            rollout_buffer_class=GroupRolloutBuffer,
            policy_kwargs={"layout": env.layout},
            seed=seed,
            device="cpu",
        )

    @property
    def updates(self) -> int:
        """Updates of the policy so far, and rollouts, but for the one that is going on."""
        return self.num_timesteps // self.n_steps

    @property
    def network(self) -> BlockNetwork:
        """What decides."""
        assert isinstance(self.policy, BlockPolicy)
        return self.policy.network

    def learn_until(self, updates: int) -> None:
        """Learn until the policy has been updated so often in all: the learning rate falls until then."""
        self.learn((updates - self.updates) * self.n_steps, reset_num_timesteps=False)

    def train(self) -> None:
        """Update the policy, and log all that is known of the update."""
        super().train()
        self.logger.dump(self.updates * self.config.episodes_per_update)
        self.on_update()

    def dump_logs(self, iteration: int = 0) -> None:
        """Log nothing before the update that the rollout is for: ``train`` does."""

    def capture(self) -> dict[str, Tensor]:
        """Copy all that the updates to come depend on, beside the settings: weights, Adam's moments, what is
        counted, and the states of the generators.
        """
        moments = {
            f"{_MOMENT}{number}.{key}": value.clone()
            for number, state in self.policy.optimizer.state_dict()["state"].items()
            for key, value in state.items()
        }
        weights = {_WEIGHT + name: weight.clone() for name, weight in self.policy.state_dict().items()}
        return weights | moments | _generators() | {_DECISIONS: torch.tensor(self.num_timesteps)}

    def restore_(self, tensors: dict[str, Tensor]) -> None:
        """Become the learner that ``capture`` was called on; this process's generators go with it.

        Raises:
            ValueError: if the tensors are not those of such a learner.
        """
        parameters, expected = [*self.policy.parameters()], self.capture()
        for number, parameter in enumerate(parameters):
            moments = {"step": torch.zeros(()), "exp_avg": parameter, "exp_avg_sq": parameter}
            expected |= {f"{_MOMENT}{number}.{key}": value for key, value in moments.items()}
        if _layout(tensors) != _layout(expected):
            raise ValueError("the tensors are of another policy")
        state = {
            number: {key: tensors[f"{_MOMENT}{number}.{key}"] for key in ("step", "exp_avg", "exp_avg_sq")}
            for number in range(len(parameters))
        }
        groups = self.policy.optimizer.state_dict()["param_groups"]
        self.policy.load_state_dict({name: tensors[_WEIGHT + name] for name in self.policy.state_dict()})
        self.policy.optimizer.load_state_dict({"state": state, "param_groups": groups})
        self.num_timesteps = int(tensors[_DECISIONS])
        self._n_updates = self.updates * self.n_epochs
        _set_generators(tensors)

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
        use_masking: bool = True,
    ) -> bool:
        """Play the groups of one update, and fill the buffer with them."""
        assert isinstance(rollout_buffer, GroupRolloutBuffer)
        assert isinstance(self.policy, BlockPolicy)
        callback.on_rollout_start()
        groups = []
        for group in self.collector.collect(
            PolicyWeights.of(self.policy.network, draws=True), self._next_groups()
        ):
            groups.append(group)
            for episode in group:
                self.on_episode(episode)
        episodes = [episode for group in groups for episode in group]
        require_survivors(episodes)
        self._record_times(episodes)
        if not self.updates:
            self.network.standardise_(globals_of(episodes))
        self.num_timesteps += n_rollout_steps
        rollout_buffer.fill(groups, self.policy, decisions=self.decisions)
        callback.on_rollout_end()
        return True

    def _record_times(self, episodes: list[Episode]) -> None:
        """Record what the workers did with the time since the last update, the update itself among it."""
        now = time.perf_counter()
        available, self._since = self.collector.workers * (now - self._since), now
        shares = {
            "time/idle_share": 1 - sum(episode.seconds for episode in episodes) / available,
            "time/child_share": sum(episode.child_seconds for episode in episodes) / available,
            "time/restored_share": sum(episode.cached_slices for episode in episodes)
            / sum(len(episode.actions) for episode in episodes),
        }
        for name, share in shares.items():
            self.logger.record(name, share)
        for worker, restarts in enumerate(self.collector.restarts):
            self.logger.record(f"workers/restarts/{worker}", restarts)

    def _next_groups(self) -> list[Group]:
        assert self.seed is not None
        first = self.updates * self.config.groups
        numbers = range(first, first + self.config.groups)
        contexts = [context_of(self.contexts, self.seed, TRAINING, number) for number in numbers]
        return [
            Group(context, number, self.contexts.budget(context).cost_budget)
            for number, context in zip(numbers, contexts, strict=True)
        ]


def globals_of(episodes: list[Episode]) -> Tensor:
    """Return the features of the child at all decisions of some episodes, (decisions, global features)."""
    rows = [step["globals"] for episode in episodes for step in episode.observations]
    return torch.from_numpy(np.stack(rows))


def require_survivors(episodes: list[Episode]) -> None:
    """Raise if all children of an update have failed in the same way: there is nothing to learn from them.

    Raises:
        ChildFailed: if they have.
    """
    causes = {episode.final["fault"] if episode.final["failed"] else None for episode in episodes}
    if len(causes) == 1 and (cause := causes.pop()) is not None:
        account = ACCOUNTS[cause]
        raise ChildFailed(
            f"each of the {len(episodes)} children of an update {account.what}, twice: {account.advice}"
        )


_WEIGHT, _MOMENT = "weight ", "moment "
_DECISIONS, _NUMPY_KEY, _NUMPY_REST, _TORCH = "decisions", "numpy key", "numpy rest", "torch"
"""What ``GroupedPPO.capture`` calls its tensors."""


def _layout(tensors: dict[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    return {name: (tensor.shape, tensor.dtype) for name, tensor in tensors.items()}


def _generators() -> dict[str, Tensor]:
    """Return the states of the generators that Stable-Baselines3 draws from."""
    _, key, *rest = np.random.get_state()  # noqa: NPY002 - it draws from this one
    return {
        _NUMPY_KEY: torch.from_numpy(np.asarray(key, np.int64)),
        _NUMPY_REST: torch.tensor(rest, dtype=torch.float64),
        _TORCH: torch.get_rng_state(),
    }


def _set_generators(tensors: dict[str, Tensor]) -> None:
    position, has_gauss, gauss = tensors[_NUMPY_REST].tolist()
    key = tensors[_NUMPY_KEY].numpy().astype(np.uint32)
    np.random.set_state(("MT19937", key, int(position), int(has_gauss), gauss))  # noqa: NPY002 - as above
    torch.set_rng_state(tensors[_TORCH])
