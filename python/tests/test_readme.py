"""The example of the README, with a robot and a server that are none."""

from pathlib import Path

import numpy as np
import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


class Robot:
    """Shows at which step it is, and keeps what it was told to do."""

    def __init__(self):
        self.actions, self.shown = [], []

    def is_done(self):
        return len(self.actions) >= 14

    def image(self, secs_ago=0.0):
        self.shown.append((len(self.actions), secs_ago))
        return np.full((4, 4, 3), len(self.actions), np.uint8)

    def state(self):
        return [0.0, 1.0]

    def act(self, action):
        self.actions.append(action[0])


@pytest.mark.parametrize(
    "execution, executed",
    [({"first": {"actions": 4}}, 4), ({"ensemble": {"decay": 0.1}}, 1), (None, 7)],
)
def test_the_example_drives_a_robot(made_server, execution, executed):
    server, robot = made_server(execution=execution), Robot()
    example = README.split("```python\n")[1].split("```")[0]
    exec(example.replace("8005", str(server.port)), {"robot": robot})
    reset, *asked = server.requests
    assert reset == {"endpoint": "reset"}
    assert robot.actions[:14] == [float(step % executed) for step in range(14)]
    # Every chunk is asked for with what the robot sees then.
    asked_at = list(range(0, 14, executed))
    assert [request["observation/image"][0, 0, 0] for request in asked] == asked_at
    assert robot.shown == [(step, ago) for step in asked_at for ago in (0.0, 2.8)]
