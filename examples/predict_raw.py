"""Prediction on raw data: rows with words, numbers and gaps go in, names of classes come out."""

import csv
import random

import mse_rl


def main() -> None:
    """Write a small table of fruit, grow a network on it, and ask it about rows that it has not seen."""
    draw = random.Random(0)
    with open("fruit.csv", "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["colour", "grams", "label"])
        for _ in range(200):
            table.writerow([draw.choice(["green", "red"]), round(draw.gauss(150, 15)), "apple"])
            table.writerow([draw.choice(["green", "yellow"]), round(draw.gauss(60, 15)), "lime"])

    grown = mse_rl.apply("csv:fruit.csv", training_flops=2e8)
    rows = [
        {"colour": "red", "grams": "148"},
        {"colour": "yellow", "grams": ""},  # a gap is filled as in training
        {"colour": "violet", "grams": "55"},  # a colour that was never seen
    ]
    for row, name, probabilities in zip(rows, grown.predict(rows), grown.predict_proba(rows), strict=True):
        print(row, name, f"{probabilities.max():.2f}")


if __name__ == "__main__":
    main()
