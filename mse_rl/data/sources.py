"""The registry of sources: a new one is a new file and one line here."""

from mse_rl.data.bundled import breast_cancer, digits, wine
from mse_rl.data.cifar import cifar10, cifar100
from mse_rl.data.csv_source import csv_file
from mse_rl.data.folder import folder
from mse_rl.data.made import digit_sums, hastie
from mse_rl.data.mnist import fashion_mnist, kmnist, mnist
from mse_rl.data.npz import npz
from mse_rl.data.raw import Source
from mse_rl.data.svhn import svhn
from mse_rl.data.usps import usps
from mse_rl.errors import InvalidTask, brief, unknown_name
from mse_rl.plugins import is_path

SOURCES: dict[str, Source] = {
    "breast_cancer": breast_cancer,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "csv:PATH": csv_file,
    "digit_sums": digit_sums,
    "digits": digits,
    "fashion_mnist": fashion_mnist,
    "folder:PATH": folder,
    "hastie": hastie,
    "kmnist": kmnist,
    "mnist": mnist,
    "npz:PATH": npz,
    "svhn": svhn,
    "usps": usps,
    "wine": wine,
}
"""By how the user writes them: a source whose key has a colon takes an argument, the others none."""


def find_source(name: str) -> tuple[Source, str]:
    """Return the source of a task's name, and its argument: what follows the first colon.

    Raises:
        InvalidTask: there is no such source, its argument is missing, or it takes none.
    """
    word, _, argument = name.partition(":")
    spelling = _spelling()
    if word not in spelling:
        raise InvalidTask(f"{unknown_name('task', word, SOURCES)}, or my_package.module:thing")
    if bool(argument) != (":" in spelling[word]):
        raise InvalidTask(f"expected a task like {spelling[word]!r}, got {brief(name)!r}")
    return SOURCES[spelling[word]], argument


def is_own(name: str) -> bool:
    """Say whether a task's name is the import path of a user's own; a source of that word goes first."""
    return name.partition(":")[0] not in _spelling() and is_path(name)


def _spelling() -> dict[str, str]:
    """Return the keys by their first word."""
    return {key.partition(":")[0]: key for key in SOURCES}
