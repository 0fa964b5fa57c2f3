"""The policy and the loop, with an environment that is no simulator."""

import errno
import fcntl
import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from vipra_client import ServerError, WebSocketClient
from vipra_client.simpler import SimplerPolicy, evaluate
from vipra_client.simpler.__main__ import executed, main
from vipra_client.simpler.environments import EPISODES, TASKS, ManiSkill2
from vipra_client.simpler.evaluation import finished, summary, wilson, write_video
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


def test_both_verdicts_are_kept(tmp_path):
    results, said = run(tmp_path / "out.jsonl")
    verdicts = [(one["task"], one["episode"], one["success_last"], one["success_any"], one["grasped"]) for one in results[:3]]
    assert verdicts == [("a", 0, False, False, False), ("a", 1, False, True, True), ("a", 2, True, True, True)]
    assert all(one["steps"] == 10 and len(one["latencies"]) == 2 for one in results)
    assert "success, then lost, grasped" in said[1]
    table = summary(results)
    assert [line.split()[0] for line in table.splitlines()] == ["task", "a", "b", "all"]
    assert "33.3% [6.1%, 79.2%]" in table


def test_episodes_can_be_looked_at(tmp_path):
    videos = tmp_path / "videos"
    evaluate(MadeEnvironment, SimplerPolicy(MadeClient()), ["a"], range(2), tmp_path / "out.jsonl", {}, report=print, videos=videos)
    assert sorted(file.name for file in videos.iterdir()) == ["a-00.webp", "a-01.webp"]
    write_video([image(level) for level in (0, 80, 160, 240)], videos / "other.webp")
    with Image.open(videos / "other.webp") as video:
        video.seek(3)
        video.load()
        assert (video.size, video.n_frames, video.info["duration"]) == ((10, 8), 4, 200)
        assert abs(int(np.asarray(video.convert("RGB"))[0, 0, 0]) - 240) < 8


def test_an_interrupted_run_goes_on(tmp_path):
    out = tmp_path / "out.jsonl"
    whole, _ = run(out)
    lines = out.read_text().splitlines()
    assert len(lines) == 7 and json.loads(lines[0]) == {"policy": "x"}
    # Killed in the middle of the fifth line.
    out.write_text("\n".join(lines[:5]) + "\n" + lines[5][:20])
    again, said = run(out)
    assert len(said) == 2
    keep = ("task", "episode", "success_last", "steps")
    assert [[one[key] for key in keep] for one in again] == [[one[key] for key in keep] for one in whole]
    assert len(finished(out, {"policy": "x"})) == 6
    with pytest.raises(ValueError, match="something else.*policy"):
        run(out, header={"policy": "y"})


class DrawingClient(MadeClient):
    """Its actions say how many chunks it has drawn."""

    drawn = 0

    def reset(self):
        self.drawn = 0

    def infer(self, *_, **named):
        self.drawn += 1
        return Chunk(np.full((14, 7), float(self.drawn)))


def test_what_the_server_answered_before_changes_nothing(tmp_path):
    moves = {}

    class Keeps(MadeEnvironment):
        def step(self, action):
            moves.setdefault((self.task, self.episode), []).append(action[0])
            return super().step(action)

    out, client = tmp_path / "out.jsonl", DrawingClient()
    run(out, client, environment=Keeps)
    uninterrupted = dict(moves)
    assert set(map(tuple, uninterrupted.values())) == {(1.0,) * 7 + (2.0,) * 3}
    out.write_text("".join(out.read_text().splitlines(keepends=True)[:3]))
    moves.clear()
    run(out, client, environment=Keeps)
    assert moves == {episode: uninterrupted[episode] for episode in list(uninterrupted)[2:]}


HEADER = b'{"policy": "x"}\n'
RESULT = b'{"task": "a", "episode": 0, "success_last": true, "success_any": true, "grasped": true}\n'


@pytest.mark.parametrize(
    "content, message",
    [
        (b'{"format": 1}', "no results"),
        (b'{"format": 1}\n', "no results"),
        (b'{\n  "policy": "x"\n}\n', "no results"),
        (b'[1, 2]\n{"torn', "no results"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe", "no results"),
        (RESULT + RESULT, "no results"),
        (b'{"policy": "x", "crops": 5}\n', "something else.*crops"),
        (b'{"policy": "y"}\n' + RESULT + b'{"torn', "something else.*policy"),
        (b'{"policy": "x", "crops": null}\n' + RESULT + b'{"torn', "something else.*crops"),
        (HEADER + RESULT + b'{"task": "a", "epi\n{"torn', "line 3 is no"),
        (HEADER + b'{"loss": 0.5}\n', "line 2 is no"),
        (HEADER + RESULT + RESULT + b'{"torn', "episode 0 of a stands twice, in lines 2 and 3"),
    ],
)
def test_a_file_that_is_refused_stays_as_it_is(tmp_path, content, message):
    out = tmp_path / "some.json"
    out.write_bytes(content)
    with pytest.raises(ValueError, match=f"{message}.*some.json"):
        run(out)
    assert out.read_bytes() == content


@pytest.mark.parametrize("torn", [b'{"task": "b", "instruc', b'{"task": "\xc3', RESULT.rstrip()])
def test_a_torn_line_alone_is_cut(tmp_path, monkeypatch, torn):
    out = tmp_path / "out.jsonl"
    out.write_bytes(HEADER + RESULT + torn)
    # A kill in between must not find an empty file.
    monkeypatch.setattr("pathlib.Path.write_text", None)
    assert list(finished(out, {"policy": "x"})) == [("a", 0)]
    assert out.read_bytes() == HEADER + RESULT


def test_a_torn_header_is_written_anew(tmp_path):
    out = tmp_path / "out.jsonl"
    out.write_bytes(HEADER[:7])
    assert len(run(out)[0]) == 6
    assert out.read_bytes().startswith(HEADER)


def test_a_header_is_what_comes_back_from_the_file(tmp_path):
    header = {"policy": "x", "image_size": (256, 256)}
    run(tmp_path / "out.jsonl", header=header)
    assert run(tmp_path / "out.jsonl", header=header)[1] == []


def test_two_processes_do_not_write_the_same_results(tmp_path):
    out = tmp_path / "out.jsonl"
    # In the middle of a line.
    out.write_bytes(HEADER + RESULT + b'{"task"')
    with open(out, "a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="another process writes these results: .*out.jsonl"):
            run(out)
    assert out.read_bytes() == HEADER + RESULT + b'{"task"'
    held = []

    class Meanwhile(MadeEnvironment):
        def reset(self, episode):
            super().reset(episode)
            with open(out) as other, pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held.append(episode)

    run(out, environment=Meanwhile)
    assert len(held) == 5


def test_a_file_system_without_locks_is_warned_of(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    with pytest.warns(UserWarning, match="out.jsonl cannot be locked .*No locks available"):
        assert len(run(tmp_path / "out.jsonl")[0]) == 6
    monkeypatch.setattr("vipra_client.simpler.evaluation.fcntl", None)
    with pytest.warns(UserWarning, match="no flock"):
        assert len(run(tmp_path / "other.jsonl")[0]) == 6


def test_an_environment_is_closed_also_when_it_fails(tmp_path):
    closed = []

    class Breaks(MadeEnvironment):
        def step(self, action):
            raise RuntimeError("as asked for")

        def close(self):
            closed.append(self.task)

    with pytest.raises(RuntimeError, match="as asked for"):
        run(tmp_path / "out.jsonl", environment=Breaks)
    assert closed == ["a"]


def test_wilson():
    # Known values: 0 of 24, 12 of 24.
    assert wilson(0, 24) == pytest.approx((0.0, 0.138), abs=1e-3)
    assert wilson(12, 24) == pytest.approx((0.314, 0.686), abs=1e-3)
    assert wilson(0, 0) == (0.0, 1.0)


MODULE = """
import numpy as np

class Env:
    def close(self): pass

def make_env(task):
    env = Env(); env.task = task; return env

def reset(env, episode_id):
    env.left = 3
    return env.left, {"success": False}

def observe(obs):
    return np.zeros((8, 8, 3), np.uint8), {}

def step(env, action):
    assert list(action[:3]) == [float(3 - env.left)] * 3
    env.left -= 1
    return env.left, 0.0, False, env.left == 0, {"success": env.left == 0}

def instruction(env):
    return f"do {env.task}"

def verdict(info):
    return dict(success_now=info["success"], grasped=True)
"""


def test_the_command_runs_episodes_of_a_module(made_server, tmp_path, capsys):
    (tmp_path / "made_simulator.py").write_text(MODULE)
    server, out = made_server(), tmp_path / "out.jsonl"
    flags = ["--port", str(server.port), "--simulator", str(tmp_path), "--module", "made_simulator"]
    assert main([*flags, "--tasks", "carrot", "--episodes", "0:4", "--out", str(out)]) == 0
    assert "100.0%" in capsys.readouterr().out
    header, *lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert header["environment"] == "simpler-maniskill3" and header["execute"] == 7
    assert main([*flags, "--execute", "0", "--out", str(tmp_path / "none.jsonl")]) == 2
    assert "0 actions of a chunk" in capsys.readouterr().err
    told = made_server(execution={"first": {"actions": 4}})
    flags[1] = str(told.port)
    assert main([*flags, "--tasks", "carrot", "--episodes", "0", "--out", str(tmp_path / "told.jsonl")]) == 0
    assert json.loads((tmp_path / "told.jsonl").read_text().splitlines()[0])["execute"] == 4
    assert [(line["task"], line["episode"], line["success_last"], line["steps"]) for line in lines] == [
        ("carrot", episode, True, 3) for episode in range(4)
    ]
    assert server.requests[0] == {"endpoint": "reset"} and server.requests[1]["prompt"] == "do carrot"
    assert main(["--port", "9", "--simulator", str(tmp_path), "--out", str(out)]) == 2


def test_an_evaluation_that_could_not_begin_is_in_nobodys_way(tmp_path):
    out = tmp_path / "out.jsonl"
    out.write_text(json.dumps({"policy": "y"}) + "\n")
    run(out)
    assert json.loads(out.read_text().splitlines()[0]) == {"policy": "x"}


def test_results_of_other_policies_are_not_added_to(made_server, tmp_path, capsys):
    (tmp_path / "made_simulator.py").write_text(MODULE)
    out = tmp_path / "out.jsonl"
    flags = ["--simulator", str(tmp_path), "--module", "made_simulator", "--tasks", "carrot", "--episodes", "0:2", "--out", str(out)]
    assert main(["--port", str(made_server(fingerprints={"policy": "a"}).port), *flags]) == 0
    assert main(["--port", str(made_server(fingerprints={"policy": "b"}).port), *flags]) == 2
    assert "fingerprints" in capsys.readouterr().err


def test_as_many_actions_are_executed_as_the_server_says():
    assert executed({"execution": {"first": {"actions": 4}}}) == 4
    assert executed({"execution": None}) == executed({}) == 7
    with pytest.raises(ValueError, match="ensemble.*--execute"):
        executed({"execution": {"ensemble": {"decay": 0.1}}})


def test_results_of_other_crops_are_not_added_to(made_server, tmp_path, capsys):
    (tmp_path / "made_simulator.py").write_text(MODULE)
    out = tmp_path / "out.jsonl"
    flags = ["--simulator", str(tmp_path), "--module", "made_simulator", "--tasks", "carrot", "--episodes", "0:2", "--out", str(out)]
    assert main(["--port", str(made_server().port), *flags]) == 0
    assert main(["--port", str(made_server(crops=5).port), *flags]) == 2
    assert "crops" in capsys.readouterr().err


def test_the_originals_interface_is_understood(monkeypatch):
    """Against a stand-in of the package `simpler_env`, after its documentation."""
    import types

    class Env:
        def reset(self, options):
            self.options = options
            return {"frame": 1}, {}

        def step(self, action):
            return {"frame": 2}, 0.0, True, True, {"success": True, "episode_stats": {"is_src_obj_grasped": True}}

        def get_language_instruction(self):
            return "do it"

    made = Env()
    package = types.ModuleType("simpler_env")
    package.make = lambda name: setattr(made, "name", name) or made
    observations = types.ModuleType("simpler_env.utils.env.observation_utils")
    observations.get_image_from_maniskill2_obs_dict = lambda env, obs: image(obs["frame"])
    monkeypatch.setitem(sys.modules, "simpler_env", package)
    monkeypatch.setitem(sys.modules, "simpler_env.utils.env.observation_utils", observations)
    environment = ManiSkill2("spoon")
    environment.reset(5)
    assert made.name == "widowx_spoon_on_towel" and made.options == {"obj_init_options": {"episode_id": 5}}
    assert environment.observe()[0][0, 0, 0] == 1
    assert environment.step(np.zeros(7))
    assert environment.verdict() == {"success_now": True, "grasped": True}
    assert environment.instruction() == "do it"


def test_policies_that_see_states_are_refused_where_there_are_none(made_server, tmp_path, capsys):
    out = tmp_path / "out.jsonl"
    server = made_server(state_names=["x_m", "gripper_open"], states=2)
    assert main(["--port", str(server.port), "--edition", "maniskill2", "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert "x_m, gripper_open" in said and "maniskill2 gives none" in said and "--edition maniskill3" in said
    assert not out.exists() and not server.requests


def test_a_server_that_does_not_say_whose_results_they_are_is_refused(made_server, tmp_path, capsys):
    server = made_server()
    del server.metadata["crops"]
    assert main(["--port", str(server.port), "--simulator", str(tmp_path), "--out", str(tmp_path / "out.jsonl")]) == 2
    assert "says nothing of crops" in capsys.readouterr().err


def test_the_help_explains_itself():
    said = subprocess.run([sys.executable, "-m", "vipra_client.simpler", "--help"], capture_output=True, text=True, check=True).stdout
    for word in ("last step", "any step", "--execute", "--simulator", "JSON"):
        assert word in said, word
    assert (len(TASKS), EPISODES) == (4, 24)


def test_an_end_to_end_policy_over_a_socket(made_server):
    server = made_server()
    with WebSocketClient(port=server.port) as client:
        policy = SimplerPolicy(client, execute=14)
        policy.reset("pick")
        for step in range(15):
            policy.step(image(step))
    reset, *asked = server.requests
    assert reset == {"endpoint": "reset"}
    assert [request["observation/image"][0, 0, 0] for request in asked] == [0, 14]
