"""The four WidowX tasks in both editions of the simulator, behind one interface.

An environment of `evaluate` has:

    reset(episode)     begins the episode with this number
    observe()          (image uint8 [height, width, 3], state: dict of numbers, or None where there is none)
    step(action)       seven numbers; whether the episode is over
    instruction()      the sentence
    verdict()          {"success_now": bool, "grasped": bool}, the second for the episode so far

Those here also say what stands in the results' header (`name`), and whether `observe` gives a state (`has_state`).
"""

import importlib
import os
import sys

# Short name: name of the original's environment.
TASKS = {
    "spoon": "widowx_spoon_on_towel",
    "carrot": "widowx_carrot_on_plate",
    "cube": "widowx_stack_cube",
    "eggplant": "widowx_put_eggplant_in_basket",
}

# Episodes of a task.
EPISODES = 24

# Actions a second.
CONTROL_RATE_HZ = 5.0


class ManiSkill3:
    """A task in the ManiSkill3 edition, by a module such as `simpler_ms3`, whose functions take and give what they are called."""

    name = "simpler-maniskill3"
    has_state = True

    def __init__(self, task: str, folder: str, module: str = "simpler_ms3"):
        """folder: where the module lies."""
        self._module = load(module, folder)
        self._env = self._module.make_env(task)
        self._seen = self._info = None

    def reset(self, episode: int) -> None:
        self._seen, self._info = self._module.reset(self._env, episode_id=episode)

    def observe(self):
        return self._module.observe(self._seen)

    def step(self, action) -> bool:
        self._seen, _, _, over, self._info = self._module.step(self._env, action)
        return over

    def instruction(self) -> str:
        return self._module.instruction(self._env)

    def verdict(self) -> dict:
        return self._module.verdict(self._info)

    def close(self) -> None:
        self._env.close()


class ManiSkill2:
    """A task in the original, by the package `simpler_env`. It gives no state in the base frame."""

    name = "simpler-maniskill2"
    has_state = False

    def __init__(self, task: str):
        simpler_env = importlib.import_module("simpler_env")
        observations = importlib.import_module("simpler_env.utils.env.observation_utils")
        self._image_of = observations.get_image_from_maniskill2_obs_dict
        self._env = simpler_env.make(TASKS[task])
        self._seen = self._info = None

    def reset(self, episode: int) -> None:
        self._seen, self._info = self._env.reset(options={"obj_init_options": {"episode_id": episode}})

    def observe(self):
        return self._image_of(self._env, self._seen), None

    def step(self, action) -> bool:
        self._seen, _, _, over, self._info = self._env.step(action)
        return over

    def instruction(self) -> str:
        return self._env.get_language_instruction()

    def verdict(self) -> dict:
        stats = self._info.get("episode_stats", {})
        return {
            "success_now": bool(self._info.get("success", False)),
            "grasped": bool(stats.get("is_src_obj_grasped", False)),
        }

    def close(self) -> None:
        self._env.close()


def load(module: str, folder: str):
    """Imports a module from a folder."""
    if not os.path.isfile(os.path.join(folder, module + ".py")):
        raise FileNotFoundError(f"no {module}.py: {folder}")
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module(module)
