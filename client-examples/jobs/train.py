"""Trains a small model, as a job that survives interruptions: the loop has the shape of one in PyTorch, and needs nothing but Python.

Everything that the next step depends on is in a checkpoint: parameters, momentum, the state of the random numbers, and where the epoch
is. So the result is the same to the last digit, however often the machine was taken away.

    python3 train.py --seed 7 --learning-rate 0.05 --epochs 20
"""

import argparse
import json
import os
import pathlib
import random
import signal
import sys
import time


class Model:
    """y = w·x + b. With PyTorch, this would be an nn.Module."""

    def __init__(self, size):
        self.parameters = [0.0] * (size + 1)

    def forward(self, x):
        *weights, bias = self.parameters
        return sum(w * value for w, value in zip(weights, x)) + bias

    def gradient(self, x, y):
        error = self.forward(x) - y
        return [2 * error * value for value in (*x, 1.0)], error**2


class Momentum:
    """Gradient descent with momentum. With PyTorch, this would be torch.optim.SGD."""

    def __init__(self, model, learning_rate, momentum=0.9):
        self.model, self.learning_rate, self.momentum = model, learning_rate, momentum
        self.velocity = [0.0] * len(model.parameters)

    def step(self, gradient):
        self.velocity = [self.momentum * v - self.learning_rate * g for v, g in zip(self.velocity, gradient)]
        self.model.parameters = [p + v for p, v in zip(self.model.parameters, self.velocity)]


def main():
    options = parse_options()
    data = make_data(samples=200)
    model = Model(size=3)
    optimizer = Momentum(model, options.learning_rate)
    shuffler = random.Random(options.seed)
    stopping = []
    # The agent passes it on when its machine is to go, and waits a while: there is time for one more checkpoint.
    signal.signal(signal.SIGTERM, lambda *_: stopping.append(True))

    first = restore(options.checkpoints, model, optimizer, shuffler)
    print(f"Resuming after epoch {first}" if first else "Starting from the beginning", flush=True)
    loss = evaluate(model, data)
    for epoch in range(first + 1, options.epochs + 1):
        for index in shuffler.sample(range(len(data)), len(data)):
            gradient, _ = model.gradient(*data[index])
            optimizer.step(gradient)
        loss = evaluate(model, data)
        report(epoch, options.epochs, loss)
        if stopping or epoch % options.save_every == 0 or epoch == options.epochs:
            save(options.checkpoints, epoch, model, optimizer, shuffler)
        if stopping:
            print(f"Told to stop: epoch {epoch} is saved", flush=True)
            sys.exit(143)
        time.sleep(options.pause)
    result = {"loss": loss, "parameters": model.parameters, "epochs": options.epochs, "seed": options.seed}
    write_whole(options.output / "result.json", result | {"learning_rate": options.learning_rate})
    print(f"loss {loss:.6f} after {options.epochs} epochs", flush=True)


def parse_options():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--save-every", type=int, default=5)
    parser.add_argument("--pause", type=float, default=0, help="seconds after each epoch, to make it last")
    parser.add_argument("--checkpoints", type=pathlib.Path, default=pathlib.Path("checkpoints"))
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("output"))
    return parser.parse_args()


def make_data(samples):
    """The same in every attempt: with real data, this would be read from what the agent has downloaded."""
    source = random.Random(0)
    inputs = [[source.uniform(-1, 1) for _ in range(3)] for _ in range(samples)]
    return [(x, 2 * x[0] - 3 * x[1] + 0.5 * x[2] + 1 + source.gauss(0, 0.1)) for x in inputs]


def evaluate(model, data):
    return sum(model.gradient(x, y)[1] for x, y in data) / len(data)


def restore(directory, model, optimizer, shuffler):
    """Takes up the newest checkpoint, and returns the epoch after which it was made; 0 where there is none."""
    directory.mkdir(parents=True, exist_ok=True)
    newest = max(directory.glob("epoch-*.json"), default=None)
    if newest is None:
        return 0
    state = json.loads(newest.read_text())
    model.parameters, optimizer.velocity = state["model"], state["optimizer"]
    version, numbers, gauss = state["shuffler"]
    shuffler.setstate((version, tuple(numbers), gauss))
    return state["epoch"]


def save(directory, epoch, model, optimizer, shuffler):
    state = {"epoch": epoch, "model": model.parameters, "optimizer": optimizer.velocity}
    write_whole(directory / f"epoch-{epoch:06d}.json", state | {"shuffler": shuffler.getstate()})
    # The one before is kept as well: it is whole, whatever becomes of the newest.
    for old in sorted(directory.glob("epoch-*.json"))[:-2]:
        old.unlink()


def report(epoch, epochs, loss):
    """The agent reads this file and shows it live."""
    if file := os.environ.get("KELPIE_PROGRESS_FILE"):
        message = f"epoch {epoch} of {epochs}, loss {loss:.4f}"
        write_whole(pathlib.Path(file), {"fraction": epoch / epochs, "message": message, "metrics": {"loss": loss}})


def write_whole(path, content):
    """Beside it first, then renamed: whoever looks sees the whole file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(content))
    part.replace(path)


if __name__ == "__main__":
    main()
