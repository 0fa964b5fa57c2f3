"""Many clients at a time."""

import threading

import pytest

from vipra_client.load import main


def test_every_client_is_answered(made_server, capsys):
    server = made_server(state_names=["x_m"], states=2)
    assert main(["--port", str(server.port), "--clients", "3", "--secs", "0.3", "--size", "4", "6"]) == 0
    said = capsys.readouterr().out
    assert "for each of 3 clients" in said and "p99" in said
    assert server.requests[0]["observation/image"].shape == (4, 6, 3)
    assert server.requests[0]["observation/state"].shape == (2, 1)


def test_http_is_a_protocol_too(made_server, capsys, monkeypatch):
    """The greeting tells the states; what is asked then goes to the HTTP API."""
    asked = []
    server = made_server(state_names=["x_m"], states=2)
    monkeypatch.setattr("vipra_client.http.HttpClient.step_bytes", lambda self, *arguments: asked.append(arguments))
    assert main(["--port", str(server.port), "--protocol", "http", "--clients", "2", "--secs", "0.1", "--size", "4", "6"]) == 0
    assert "for each of 2 clients" in capsys.readouterr().out and not server.requests
    previous, image, task, state = asked[0]
    assert (previous.shape, image.shape, state.tolist()) == ((4, 6, 3), (4, 6, 3), [[0.0], [0.0]])
    assert task.startswith("put object")


def test_no_client_keeps_the_program_from_ending(made_server, monkeypatch):
    daemons = []
    monkeypatch.setattr("vipra_client.load.ask", lambda *_: daemons.append(threading.current_thread().daemon))
    main(["--port", str(made_server().port), "--clients", "2"])
    assert daemons == [True, True]


def test_nobody_there_is_said(capsys):
    assert main(["--port", "9", "--clients", "2", "--secs", "0.1"]) == 1
    assert "error" in capsys.readouterr().err
    assert main(["--host", "", "--clients", "2", "--secs", "0.1"]) == 1
    assert "no address" in capsys.readouterr().err


def test_what_cannot_be_asked_is_said(made_server, capsys):
    port = str(made_server().port)
    with pytest.raises(SystemExit):
        main(["--port", port, "--clients", "0"])
    assert "--clients" in capsys.readouterr().err
    assert main(["--port", port, "--clients", "1", "--size", "0", "6"]) == 1
    assert "client 0: image: an image of 6x0 pixels" in capsys.readouterr().err


def test_what_goes_wrong_is_said(made_server, capsys):
    server = made_server()
    server.answer = lambda request: "no"
    assert main(["--port", str(server.port), "--clients", "2", "--secs", "0.1"]) == 1
    assert "client 0: no" in capsys.readouterr().err
