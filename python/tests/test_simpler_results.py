"""The loop and its file of results, with an environment that is no simulator."""

import errno
import fcntl
import json

import numpy as np
import pytest
from made_simpler import MadeClient, MadeEnvironment, image, run
from PIL import Image

from vipra_client.simpler import SimplerPolicy, evaluate
from vipra_client.simpler.evaluation import finished, summary, wilson, write_video
from vipra_client.websocket import Chunk


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


def test_a_video_that_cannot_be_written_is_a_warning(tmp_path):
    out, videos = tmp_path / "out.jsonl", tmp_path / "videos"
    videos.write_text("a file and no folder")
    with pytest.warns(UserWarning, match="a-0[01].webp cannot be written") as warned:
        results = evaluate(MadeEnvironment, SimplerPolicy(MadeClient()), ["a"], range(2), out, {"policy": "x"}, print, videos)
    assert len(warned) == len(results) == 2
    assert list(finished(out, {"policy": "x"})) == [("a", 0), ("a", 1)]


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
