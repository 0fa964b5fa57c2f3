"""A client, an environment and a loop that need no server and no simulator."""

import numpy as np

from vipra_client.simpler import SimplerPolicy, evaluate
from vipra_client.websocket import Chunk


class MadeClient:
    """Answers from a list of metadata; keeps what it was asked, and how often an episode began."""

    def __init__(self, **changes):
        from conftest import METADATA

        self.metadata = {**METADATA, **changes}
        self.asked, self.resets = [], 0

    def reset(self):
        self.resets += 1

    def infer(self, image, prompt, previous_image, state):
        self.asked.append((image[0, 0, 0], prompt, previous_image[0, 0, 0], state))
        actions = np.repeat(np.arange(14.0)[:, None], 7, axis=1)
        actions[:, 6] = np.where(np.arange(14) % 2 == 0, 1.0, -1.0)
        return Chunk(actions)


def image(level):
    return np.full((8, 10, 3), level, np.uint8)


class MadeEnvironment:
    """Ten steps; succeeds at the steps that an episode's plan says, and grasps at its third step if there are any."""

    plans = {0: range(0), 1: [3, 4], 2: [9]}

    def __init__(self, task):
        self.task, self.actions = task, []

    def reset(self, episode):
        self.episode, self.at = episode, -1

    def observe(self):
        return image(max(self.at, 0)), {"ee_xyz": [0, 0, 0]}

    def step(self, action):
        assert action.shape == (7,)
        self.at += 1
        return self.at == 9

    def instruction(self):
        return f"do {self.task}"

    def verdict(self):
        plan = self.plans[self.episode]
        return {"success_now": self.at in plan, "grasped": bool(plan) and self.at == 2}


def run(out, client=None, tasks=("a", "b"), header=None, environment=MadeEnvironment):
    said = []
    policy = SimplerPolicy(client or MadeClient())
    results = evaluate(environment, policy, list(tasks), range(3), out, header or {"policy": "x"}, report=said.append)
    return results, said
