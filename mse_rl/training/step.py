"""One training step: forward, backward, optimizer; on a GPU, replayed from a graph."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.optim import Optimizer

from mse_rl.config.training import OptimizerConfig
from mse_rl.networks import Child
from mse_rl.training.recorder import SliceRecorder


class Step:
    """Trains a child on a batch.

    Args:
        child: in training mode; trained in place.
        optimizer: holds its parameters.
        config: label smoothing, and whether matrix products and convolutions round to bfloat16 (autocast),
            whose sums stay float32.
    """

    def __init__(self, child: Child, optimizer: Optimizer, config: OptimizerConfig) -> None:
        self._child, self._optimizer = child, optimizer
        self._smoothing, self._bfloat16 = config.label_smoothing, config.precision == "bfloat16"
        self._parameters = list(child.parameters())

    def __call__(self, x: Tensor, y: Tensor, recorder: SliceRecorder | None = None) -> Tensor:
        """Train one step; return the cross-entropy of the batch before it, without label smoothing.

        Args:
            x: inputs (n, *input_shape).
            y: labels (n,).
            recorder: looks at the step.
        """
        if recorder:
            recorder.watch(x)
        cross_entropy, loss = self._rounded_losses(x, y) if self._bfloat16 else self._losses(x, y)
        for parameter in self._parameters:  # zero_grad() takes a few percent of a small child's step
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        if recorder:
            recorder.read_gradients()
        self._optimizer.step()
        return cross_entropy.detach()

    def _losses(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return cross-entropy, and the loss that is trained on: (1 - s)·cross-entropy + s·mean over classes.

        Szegedy et al., 2016, https://arxiv.org/abs/1512.00567.
        """
        log_probabilities = F.log_softmax(self._child(x), dim=1)
        cross_entropy = F.nll_loss(log_probabilities, y)
        if not self._smoothing:
            return cross_entropy, cross_entropy
        return cross_entropy, torch.lerp(cross_entropy, -log_probabilities.mean(), self._smoothing)

    def _rounded_losses(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        # No weight is used twice, so there is nothing that autocast could keep for later.
        with torch.autocast(x.device.type, torch.bfloat16, cache_enabled=False):
            return self._losses(x, y)


LEAST_STEPS = 20
"""A graph costs a few steps to capture: it is of use where many more are to come."""
WARM_UPS = 3

Capture = Callable[[Callable[[], None], AbstractContextManager[None]], Callable[[], None]]
"""From something to run, and what has to hold while it is captured, to what repeats it on the same memory."""


def cuda_graph(run: Callable[[], None], capturable: AbstractContextManager[None]) -> Callable[[], None]:
    """Capture ``run`` on the current device, as torch asks for it: after runs on a stream of their own."""
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UPS):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with capturable, torch.cuda.graph(graph):
        run()
    return graph.replay


class GraphedStep:
    """The same as the step that it is made of, captured at the first batch and replayed from then on.

    Args:
        step: what a step is.
        child: that it trains; must stay what it is.
        optimizer: with learning rates in tensors, since numbers would be captured as they are.
        capture: makes a graph.
    """

    def __init__(
        self, step: Step, child: Child, optimizer: Optimizer, *, capture: Capture = cuda_graph
    ) -> None:
        self._step, self._child, self._optimizer, self._capture = step, child, optimizer, capture
        self._replay: Callable[[], None] | None = None
        self._x = self._y = self._loss = torch.empty(0)

    def __call__(self, x: Tensor, y: Tensor) -> Tensor:
        """Train one step; the loss is overwritten by the next one."""
        with torch.cuda.device(x.device) if x.device.type == "cuda" else nullcontext():
            if self._replay is None:
                self._x, self._y = x.clone(), y.clone()
                with _unchanged(self._child, self._optimizer):
                    self._replay = self._capture(self._run, _capturable(self._optimizer))
            self._x.copy_(x)
            self._y.copy_(y)
            self._replay()
        return self._loss

    def _run(self) -> None:
        self._loss = self._step(self._x, self._y)


@contextmanager
def _unchanged(child: Child, optimizer: Optimizer) -> Iterator[None]:
    """Restore, in the same memory, what steps change; what they have added becomes zero."""
    before = [(tensor, tensor.clone()) for tensor in child.state_dict().values()]
    moments = {tensor: tensor.clone() for tensor in _moments(optimizer)}
    try:
        yield
    finally:
        with torch.no_grad():
            for tensor, value in before:
                tensor.copy_(value)
            for tensor in _moments(optimizer):
                tensor.copy_(moments[tensor]) if tensor in moments else tensor.zero_()


@contextmanager
def _capturable(optimizer: Optimizer) -> Iterator[None]:
    """Allow optimizers that ask for it to be captured; outside of a graph they would complain."""
    groups = [group for group in optimizer.param_groups if "capturable" in group]
    for group in groups:
        group["capturable"] = True
    try:
        yield
    finally:
        for group in groups:
            group["capturable"] = False


def _moments(optimizer: Optimizer) -> list[Tensor]:
    return [value for state in optimizer.state.values() for value in state.values() if value is not None]
