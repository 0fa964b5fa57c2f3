"""The policy: when chunks are asked for, and what is made of their numbers."""

import numpy as np
import pytest
from made_simpler import MadeClient, image

from vipra_client import ServerError, WebSocketClient
from vipra_client.simpler import SimplerPolicy
from vipra_client.websocket import Chunk


def test_a_chunk_is_asked_for_every_seventh_step_with_the_frame_of_the_interval():
    client = MadeClient()
    policy = SimplerPolicy(client)
    policy.reset("pick")
    for step in range(22):
        raw, action = policy.step(image(step), "pick")
        assert action["world_vector"].tolist() == [step % 7] * 3
        assert action["rot_axangle"].tolist() == [step % 7] * 3
        assert action["gripper"].tolist() == [1.0 if step % 7 % 2 == 0 else -1.0]
        assert raw["open_gripper"].tolist() == [float(step % 7 % 2 == 0)]
        assert action["terminate_episode"].tolist() == [0.0]
    # 2.8 s are 14 steps; before there are so many, the first image stands in.
    assert [(now, past) for now, _, past, _ in client.asked] == [(0, 0), (7, 0), (14, 0), (21, 7)]
    assert len(policy.chunk_ms) == 4


def test_the_policys_own_interval_is_honoured():
    client = MadeClient(frame_interval_secs=0.6)
    policy = SimplerPolicy(client, execute=5)
    policy.reset("pick")
    for step in range(16):
        policy.step(image(step))
    assert [(now, past) for now, _, past, _ in client.asked] == [(0, 0), (5, 2), (10, 7), (15, 12)]


def test_another_task_begins_an_episode():
    client = MadeClient()
    policy = SimplerPolicy(client)
    with pytest.raises(ValueError, match="no task"):
        policy.step(image(0))
    policy.step(image(1), "pick")
    policy.step(image(2), "place")
    policy.step(image(3), "place")
    assert client.resets == 2
    assert [(now, prompt, past) for now, prompt, past, _ in client.asked] == [(1, "pick", 1), (2, "place", 2)]


def test_roll_pitch_yaw_is_converted():
    policy = SimplerPolicy(MadeClient(rotation="roll-pitch-yaw"))
    _, action = policy.form.convert([0.0, 0.0, 0.0, 0.1, 0.2, 0.3, 1.0])
    np.testing.assert_allclose(action["rot_axangle"], [0.06892461, 0.21322593, 0.28874894], atol=1e-8)


def test_the_gripper_is_found_by_name():
    names = ["gripper", "x", "y", "z", "a", "b", "c"]
    policy = SimplerPolicy(MadeClient(action_names=names, gripper={"dimension": "gripper", "open": 0.0, "closed": 1.0}))
    raw, action = policy.form.convert([0.2, 1, 2, 3, 4, 5, 6])
    assert action["world_vector"].tolist() == [1, 2, 3] and action["rot_axangle"].tolist() == [4, 5, 6]
    assert action["gripper"].tolist() == [1.0] and raw["open_gripper"].tolist() == [0.8]


def test_states_are_sent_for_every_step():
    client = MadeClient(state_names=["x_m", "gripper_open"], states=3)
    policy = SimplerPolicy(client, execute=2)
    policy.reset("pick")
    with pytest.raises(ValueError, match="gripper_open"):
        policy.step(image(0))
    policy.reset("pick")
    for step in range(5):
        policy.step(image(step), state={"ee_xyz": [step, 0, 0], "gripper_open": 1.0})
    sent = [state[:, 0].tolist() for *_, state in client.asked]
    assert sent == [[0, 0, 0], [0, 1, 2], [2, 3, 4]]


def test_images_are_brought_to_a_size():
    client = MadeClient()
    policy = SimplerPolicy(client, image_size=(4, 5))
    sizes = []
    client.infer = lambda image, *_, **named: sizes.append((image.shape, named["previous_image"].shape)) or Chunk(np.zeros((14, 7)))
    policy.step(image(1), "pick")
    assert sizes == [((4, 5, 3), (4, 5, 3))]


def test_policies_of_other_robots_are_refused():
    with pytest.raises(ValueError, match="WidowX"):
        SimplerPolicy(MadeClient(action_names=["a", "b"]))
    with pytest.raises(ValueError, match="absolute"):
        SimplerPolicy(MadeClient(action_kind="absolute"))
    with pytest.raises(ValueError, match="10 actions a second"):
        SimplerPolicy(MadeClient(control_rate_hz=10.0))
    with pytest.raises(ValueError, match="15 actions"):
        SimplerPolicy(MadeClient(), execute=15)
    with pytest.raises(ValueError, match="rotation form 'none'"):
        SimplerPolicy(MadeClient(rotation="none"))
    with pytest.raises(ValueError, match="both 1.0"):
        SimplerPolicy(MadeClient(gripper={"dimension": "gripper_open", "open": 1.0, "closed": 1.0}))
    with pytest.raises(ValueError, match="does not have: elbow"):
        SimplerPolicy(MadeClient(state_names=["x_m", "elbow"], states=1))
    with pytest.raises(ValueError, match="0x256 pixels"):
        SimplerPolicy(MadeClient(), image_size=(256, 0))
    other = MadeClient()
    del other.metadata["action_horizon"]
    with pytest.raises(ValueError, match="action_horizon.*no policy of vipra"):
        SimplerPolicy(other)


def test_a_client_without_resets_is_warned_of(made_server):
    client = MadeClient()
    bare = type("Bare", (), {"metadata": client.metadata, "infer": client.infer})()
    with pytest.warns(UserWarning, match="no reset"):
        policy = SimplerPolicy(bare)
    policy.step(image(1), "pick")
    assert len(client.asked) == 1
    # A server that refuses is an error: it ends the connection.
    server = made_server()
    server.answer = lambda request: "`endpoint`: is not known"
    with WebSocketClient(port=server.port) as client, pytest.raises(ServerError, match="refuses a reset"):
        SimplerPolicy(client).reset("pick")
