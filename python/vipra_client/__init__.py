"""Clients of vipra's policy server.

`WebSocketClient` speaks openpi's protocol, in the robot's units; `HttpClient` the HTTP API of ViPRA's published server. Both wait for
their answers. `vipra_client.simpler` drives the SIMPLER benchmark through the first.
"""

from vipra_client.errors import ServerError
from vipra_client.http import HttpClient
from vipra_client.images import check_image
from vipra_client.websocket import Chunk, WebSocketClient

__all__ = ["Chunk", "HttpClient", "ServerError", "WebSocketClient", "check_image"]
