"""From a policy's numbers to those of the benchmark's WidowX controller (interfaces d.3).

The controller takes metres along the robot's base axes, a rotation vector in radians, and a gripper that is open at +1 and closed at -1.
"""

import numpy as np

# The rotation forms that a server may name.
ROTATION_VECTOR = "rotation-vector"
ROLL_PITCH_YAW = "roll-pitch-yaw"

OPEN, CLOSED = 1.0, -1.0

# Names of a state's dimensions, as the demonstrations have them, to where they come from in a simulator's state.
STATE_DIMENSIONS = {
    "x_m": ("ee_xyz", 0),
    "y_m": ("ee_xyz", 1),
    "z_m": ("ee_xyz", 2),
    "roll_rad": ("ee_rpy_bridge", 0),
    "pitch_rad": ("ee_rpy_bridge", 1),
    "yaw_rad": ("ee_rpy_bridge", 2),
    "gripper_open": ("gripper_open", None),
}


def rotation_vector_from_roll_pitch_yaw(angles) -> np.ndarray:
    """Axis times angle of R = Rz(yaw) Ry(pitch) Rx(roll), the axes that SimplerEnv calls `sxyz`."""
    half = np.asarray(angles, dtype=np.float64) / 2.0
    (cos_roll, cos_pitch, cos_yaw), (sin_roll, sin_pitch, sin_yaw) = np.cos(half), np.sin(half)
    # As a quaternion, which has no angle at which it fails.
    scalar = cos_roll * cos_pitch * cos_yaw + sin_roll * sin_pitch * sin_yaw
    vector = np.array(
        [
            sin_roll * cos_pitch * cos_yaw - cos_roll * sin_pitch * sin_yaw,
            cos_roll * sin_pitch * cos_yaw + sin_roll * cos_pitch * sin_yaw,
            cos_roll * cos_pitch * sin_yaw - sin_roll * sin_pitch * cos_yaw,
        ]
    )
    if scalar < 0.0:
        scalar, vector = -scalar, -vector
    length = np.linalg.norm(vector)
    if length < 1e-12:
        return 2.0 * vector
    return vector / length * 2.0 * np.arctan2(length, scalar)


def rotation_vector(rotation, form: str) -> np.ndarray:
    """A policy's three numbers of rotation as a rotation vector, by the form that its server names."""
    rotation = np.asarray(rotation, dtype=np.float64)
    if rotation.shape != (3,):
        raise ValueError(f"a rotation has 3 numbers, here are {list(rotation.shape)}")
    if form == ROTATION_VECTOR:
        return rotation
    if form == ROLL_PITCH_YAW:
        return rotation_vector_from_roll_pitch_yaw(rotation)
    raise ValueError(f"rotation form {form!r}: known are {ROTATION_VECTOR!r} and {ROLL_PITCH_YAW!r}")


def gripper_opening(value: float, open_value: float, closed_value: float) -> float:
    """How far open a policy's number says, from 0 (closed) to 1 (open), not clipped."""
    if open_value == closed_value:
        raise ValueError(f"an open gripper and a closed one are both {open_value}")
    return (float(value) - closed_value) / (open_value - closed_value)


def gripper_command(opening: float) -> float:
    """The controller's number: open or closed, never in between."""
    return OPEN if opening > 0.5 else CLOSED


def check_state_names(names) -> None:
    """Refuses names of states that no simulator of this benchmark gives."""
    unknown = [name for name in names if name not in STATE_DIMENSIONS]
    if unknown:
        raise ValueError(f"the policy wants states that this benchmark does not have: {', '.join(unknown)}")


def state_vector(names, state: dict) -> np.ndarray:
    """A simulator's state in the order of a policy's names."""
    check_state_names(names)
    values = []
    for name in names:
        part, at = STATE_DIMENSIONS[name]
        values.append(state[part] if at is None else state[part][at])
    return np.asarray(values, dtype=np.float32)
