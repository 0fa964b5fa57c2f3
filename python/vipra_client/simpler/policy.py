"""SimplerEnv's interface of a policy, over a policy server."""

import warnings
from collections import deque
from dataclasses import dataclass
from math import floor
from time import perf_counter

import numpy as np
from PIL import Image

from vipra_client.images import check_image, resize
from vipra_client.simpler.conversions import check_state_names, gripper_command, gripper_opening, rotation_vector, state_vector

# Actions of a WidowX: three of translation, three of rotation, one of the gripper.
WIDTH = 7

# Of an episode's picture.
STRIP_IMAGES = 8


@dataclass(frozen=True)
class ActionForm:
    """What the numbers of a policy's actions mean, by its server's metadata."""

    rotation: str
    gripper: int
    open_value: float
    closed_value: float

    @classmethod
    def of(cls, metadata: dict) -> "ActionForm":
        """Refuses a policy of another robot."""
        names, gripper = metadata["action_names"], metadata["gripper"]
        if len(names) != WIDTH or gripper is None:
            raise ValueError(f"a WidowX has {WIDTH} numbers and a gripper among them, this policy has {names}")
        if metadata["action_kind"] != "delta-end-effector":
            raise ValueError(f"a WidowX is moved by differences, this policy says {metadata['action_kind']!r}")
        form = cls(metadata["rotation"], names.index(gripper["dimension"]), gripper["open"], gripper["closed"])
        # What cannot be converted is said here, and not at the first step.
        form.convert(np.zeros(WIDTH))
        return form

    def convert(self, numbers) -> tuple[dict, dict]:
        """SimplerEnv's raw action and action of seven numbers."""
        numbers = np.asarray(numbers, dtype=np.float64)
        arm = np.delete(numbers, self.gripper)
        opening = gripper_opening(numbers[self.gripper], self.open_value, self.closed_value)
        raw = {"world_vector": arm[:3], "rotation_delta": arm[3:], "open_gripper": np.array([opening])}
        action = {
            "world_vector": arm[:3],
            "rot_axangle": rotation_vector(arm[3:], self.rotation),
            "gripper": np.array([gripper_command(opening)]),
            "terminate_episode": np.array([0.0]),
        }
        return raw, action


# What has to be known of a policy; other servers of openpi's protocol do not say it.
NEEDED = ("action_horizon", "action_kind", "action_names", "control_rate_hz", "frame_interval_secs", "gripper", "rotation")


def check_metadata(metadata: dict, needed) -> None:
    """Refuses a server that does not say what is needed."""
    missing = [key for key in needed if key not in metadata]
    if missing:
        raise ValueError(f"the server says nothing of {', '.join(missing)}: it serves no policy of vipra")


class SimplerPolicy:
    """Asks a server for a chunk and executes the first actions of it, one a step.

    Because it asks only now and then, it keeps the images of the steps in between, and sends the one of the policy's frame interval ago
    itself: the server's clock is not the simulator's. States likewise.
    """

    def __init__(self, client, execute=7, image_size=None, control_rate_hz=5.0):
        """client: a `WebSocketClient`, or what has its `metadata`, `infer` and `reset`.
        execute: actions of a chunk that are executed before the next is asked for.
        image_size: (height, width) that images are brought to before they are sent; as they are without.
        """
        metadata = client.metadata
        check_metadata(metadata, NEEDED)
        horizon = metadata["action_horizon"]
        if not 1 <= execute <= horizon:
            raise ValueError(f"{execute} actions of a chunk of {horizon} cannot be executed")
        rate = metadata["control_rate_hz"]
        if abs(rate - control_rate_hz) > 1e-6 * control_rate_hz:
            raise ValueError(f"this policy puts out {rate:g} actions a second, here are {control_rate_hz:g}: its moves would be of another size")
        if image_size is not None and min(image_size) < 1:
            raise ValueError(f"images of {image_size[1]}x{image_size[0]} pixels cannot be sent")
        if not hasattr(client, "reset"):
            warnings.warn("this client has no reset(): an episode's chunks depend on what the server answered before", stacklevel=2)
        self.form = ActionForm.of(metadata)
        self._client, self._execute, self._image_size = client, execute, image_size
        self._state_names = metadata.get("state_names")
        self._states_wanted = metadata.get("states", 0) if self._state_names else 0
        if self._states_wanted:
            check_state_names(self._state_names)
        # Halves go up, as where the policy was trained.
        self._steps_back = floor(metadata["frame_interval_secs"] * control_rate_hz + 0.5)
        self._images = deque(maxlen=self._steps_back + 1)
        self._states = deque(maxlen=max(1, self._states_wanted))
        self._task = None
        self._actions = deque()
        # Of every chunk of the episode, what it took from here and back, in milliseconds.
        self.chunk_ms = []

    def reset(self, task_description: str) -> None:
        """An episode begins, with the draws that every episode begins with: what the server answered before changes nothing."""
        if hasattr(self._client, "reset"):
            self._client.reset()
        self._task = task_description
        for kept in (self._images, self._states, self._actions, self.chunk_ms):
            kept.clear()

    def step(self, image, task_description=None, state=None) -> tuple[dict, dict]:
        """The raw action and the action of this step. Another task than the last one begins an episode.

        image: uint8 [height, width, 3]; state: a simulator's, for policies that want it.
        """
        if task_description is not None and task_description != self._task:
            self.reset(task_description)
        if self._task is None:
            raise ValueError("no task yet: reset() names it")
        image = check_image(image)
        self._images.append(resize(image, *self._image_size) if self._image_size else image)
        if self._states_wanted:
            if state is None:
                raise ValueError(f"this policy wants the robot's state: {', '.join(self._state_names)}")
            self._states.append(state_vector(self._state_names, state))
        if not self._actions:
            self._ask()
        return self.form.convert(self._actions.popleft())

    def visualize_epoch(self, predicted_raw_actions, images, save_path) -> None:
        """SimplerEnv calls it after an episode: eight of its images beside each other, as a picture file."""
        chosen = [np.asarray(images[at]) for at in np.linspace(0, len(images) - 1, STRIP_IMAGES).round().astype(int)]
        Image.fromarray(np.concatenate(chosen, axis=1)).save(save_path)

    def _ask(self) -> None:
        # At the beginning the oldest stands in for those that there are not.
        previous = self._images[0]
        states = None
        if self._states_wanted:
            missing = self._states_wanted - len(self._states)
            states = np.stack([self._states[0]] * missing + list(self._states))
        chunk, took_ms = timed(self._client.infer, self._images[-1], self._task, previous_image=previous, state=states)
        self.chunk_ms.append(took_ms)
        if chunk.actions.ndim != 2 or chunk.actions.shape[1] != WIDTH or len(chunk.actions) < self._execute:
            raise ValueError(f"a chunk of shape {list(chunk.actions.shape)}, wanted is [{self._execute} or more, {WIDTH}]")
        self._actions.extend(chunk.actions[: self._execute])


def timed(call, *arguments, **named):
    """What a call gives, and how many milliseconds it took."""
    began = perf_counter()
    result = call(*arguments, **named)
    return result, (perf_counter() - began) * 1e3
