"""The SIMPLER benchmark's WidowX tasks, driven through a policy server.

`SimplerPolicy` has SimplerEnv's interface of a policy; `evaluate` runs episodes of any environment with `reset`, `observe`, `step`,
`instruction` and `verdict`. A simulator is imported only when its environment is made.
"""

from vipra_client.simpler.conversions import (
    gripper_command,
    gripper_opening,
    rotation_vector,
    rotation_vector_from_roll_pitch_yaw,
    state_vector,
)
from vipra_client.simpler.evaluation import evaluate
from vipra_client.simpler.policy import SimplerPolicy

__all__ = [
    "SimplerPolicy",
    "evaluate",
    "gripper_command",
    "gripper_opening",
    "rotation_vector",
    "rotation_vector_from_roll_pitch_yaw",
    "state_vector",
]
