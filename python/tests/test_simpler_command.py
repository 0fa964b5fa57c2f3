"""The command: modules in the place of a simulator, servers, and the editions of the simulator."""

import json
import subprocess
import sys

import numpy as np
import pytest
from made_simpler import image, run

from vipra_client import WebSocketClient
from vipra_client.simpler import SimplerPolicy
from vipra_client.simpler.__main__ import executed, main
from vipra_client.simpler.environments import EPISODES, TASKS, ManiSkill2


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


@pytest.mark.parametrize("key, values", [("seed", (0, 1)), ("server", ("vipra 0.1.0", "vipra 0.2.0"))])
def test_results_of_other_draws_and_versions_are_not_added_to(made_server, tmp_path, capsys, key, values):
    (tmp_path / "made_simulator.py").write_text(MODULE)
    out = tmp_path / "out.jsonl"
    flags = ["--simulator", str(tmp_path), "--module", "made_simulator", "--tasks", "carrot", "--episodes", "0:2", "--out", str(out)]
    first, second = (made_server(**{key: value}) for value in values)
    assert main(["--port", str(first.port), *flags]) == 0
    header, *results = [json.loads(line) for line in out.read_text().splitlines()]
    assert header[key] == values[0] and len(results) == 2
    assert main(["--port", str(second.port), *flags]) == 2
    assert f"something else ({key})" in capsys.readouterr().err
    # A file that says nothing of it is of an earlier version, and goes on.
    del header[key]
    older = [json.dumps(line) + "\n" for line in (header, results[0])]
    out.write_text("".join(older))
    assert main(["--port", str(second.port), *flags]) == 0
    lines = out.read_text().splitlines(keepends=True)
    assert lines[:2] == older and len(lines) == 3


def test_placements_that_there_are_not_are_refused_before_anything_starts(made_server, tmp_path, capsys):
    server, out = made_server(), tmp_path / "out.jsonl"
    with pytest.raises(SystemExit):
        main(["--port", str(server.port), "--simulator", str(tmp_path), "--episodes", "0:25", "--out", str(out)])
    assert "no episode 24: placements of the objects are 0 to 23" in capsys.readouterr().err
    assert not out.exists() and not server.requests


def test_images_are_sent_at_a_size_and_episodes_kept_as_videos(made_server, tmp_path):
    (tmp_path / "made_simulator.py").write_text(MODULE)
    server, out, videos = made_server(), tmp_path / "out.jsonl", tmp_path / "videos"
    flags = ["--port", str(server.port), "--simulator", str(tmp_path), "--module", "made_simulator", "--tasks", "carrot", "--episodes", "0:2"]
    assert main([*flags, "--image-size", "4", "6", "--videos", str(videos), "--out", str(out)]) == 0
    images = [request["observation/image"].shape for request in server.requests if "observation/image" in request]
    assert images and set(images) == {(4, 6, 3)}
    assert json.loads(out.read_text().splitlines()[0])["image_size"] == [4, 6]
    assert sorted(file.name for file in videos.iterdir()) == ["carrot-00.webp", "carrot-01.webp"]


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
