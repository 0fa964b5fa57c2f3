"""Golden vectors of interfaces d.3, and what they follow from."""

import numpy as np
import pytest

from vipra_client.simpler import (
    gripper_command,
    gripper_opening,
    rotation_vector,
    rotation_vector_from_roll_pitch_yaw,
    state_vector,
)

GOLDENS = [
    ((0.1, 0.2, 0.3), (0.06892461, 0.21322593, 0.28874894)),
    ((-0.05, 0.02, 0.6), (-0.05448927, 0.00439293, 0.60035324)),
]


@pytest.mark.parametrize("angles, expected", GOLDENS)
def test_angles_become_the_originals_rotation_vectors(angles, expected):
    np.testing.assert_allclose(rotation_vector_from_roll_pitch_yaw(angles), expected, atol=1e-8)


def matrix(angles):
    (cr, cp, cy), (sr, sp, sy) = np.cos(angles), np.sin(angles)
    roll = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    pitch = np.array([[cp, 0, sp], [0, 1, 0], [-sp, 0, cp]])
    yaw = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    return yaw @ pitch @ roll


def matrix_of_vector(vector):
    angle = np.linalg.norm(vector)
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def test_any_angles_turn_as_their_vector_does():
    draw = np.random.default_rng(0)
    for angles in [*draw.uniform(-np.pi, np.pi, (200, 3)), np.zeros(3), np.array([np.pi, 0, 0]), np.array([1e-9, 0, 0])]:
        vector = rotation_vector_from_roll_pitch_yaw(angles)
        assert np.linalg.norm(vector) <= np.pi + 1e-9
        np.testing.assert_allclose(matrix_of_vector(vector), matrix(angles), atol=1e-7)


def test_the_form_that_the_server_names_decides():
    np.testing.assert_array_equal(rotation_vector([0.1, 0.2, 0.3], "rotation-vector"), [0.1, 0.2, 0.3])
    np.testing.assert_allclose(rotation_vector([0.1, 0.2, 0.3], "roll-pitch-yaw"), GOLDENS[0][1], atol=1e-8)
    with pytest.raises(ValueError, match="'none'"):
        rotation_vector([0.0, 0.0, 0.0], "none")
    with pytest.raises(ValueError, match="3 numbers"):
        rotation_vector([0.0, 0.0], "rotation-vector")


def test_grippers_open_at_plus_one_whatever_the_policys_numbers():
    # Bridge: 1 open, 0 closed. Robosuite and others: -1 open, 1 closed.
    for open_value, closed_value in [(1.0, 0.0), (1.0, -1.0), (-1.0, 1.0)]:
        assert gripper_command(gripper_opening(open_value, open_value, closed_value)) == 1.0
        assert gripper_command(gripper_opening(closed_value, open_value, closed_value)) == -1.0
    assert gripper_opening(0.25, 1.0, 0.0) == 0.25
    assert [gripper_command(opening) for opening in (0.5, 0.51, -3.0, 7.0)] == [-1.0, 1.0, -1.0, 1.0]
    with pytest.raises(ValueError, match="both"):
        gripper_opening(0.0, 1.0, 1.0)


def test_states_come_in_the_policys_order():
    state = {"ee_xyz": [1, 2, 3], "ee_rpy_bridge": [4, 5, 6], "gripper_open": 0.5, "qpos": [9]}
    names = ["gripper_open", "x_m", "yaw_rad"]
    vector = state_vector(names, state)
    assert vector.dtype == np.float32 and vector.tolist() == [0.5, 1.0, 6.0]
    with pytest.raises(ValueError, match="elbow"):
        state_vector(["x_m", "elbow"], state)
