"""A small Matrix client for tests, with the manners of Nheko or of matrix-dart-sdk, whose media engine is GStreamer's.

    python3 DIRECTORY (nheko|dart) HERTZ CERTIFICATE

Orders come on standard input and events go to standard output, one JSON object a line. Its microphone hears a tone of so many
Hz. CERTIFICATE is what DTLS shows, in PEM with its private key, or empty for GStreamer's own. It ends with its standard input.

| order | event that comes of it |
| --- | --- |
| `register`: `homeserver`, `name` | `registered`: `user` |
| `room`: `with`, `encrypted` | `room`: `room`, a direct one |
| `relay` | `relayed`: from now on media goes by the homeserver's TURN server alone |
| `one_by_one` | from now on each candidate is said in an event of its own |
| `call`: `room` | `said`, then `ringing_out` when the invite has its ID |
| `answer`, `reject`, `hang_up` | `said`, `connected`, `ended` |
| `mute`, `unmute` | |
| `say`: `room`, `type`, `content` | `said`: anything at all, beside its manners |

Others: `member` (`room`, `user`, `membership`), `said` and `received` (`type`, `content`, and `encrypted` of the second: each event of a call), `lost` (`type`,
`why`: what this client does not read, or not now), `ringing` (`room`, `video`), `busy`, `peer_muted`, `connected`, `hears` (each second of sound: `hertz`, `level`,
`purity`), `ended` (`why`), `failed` (`why`: this program is broken).
"""

import json
import sys
import threading
import traceback

from gi.repository import GLib

import connection
import dart
import homeserver
import nheko

MANNERS = {"nheko": nheko.Nheko, "dart": dart.Dart}


class Peer:
    """The client: its account, and what goes in and out."""

    def __init__(self, manner, hertz, certificate):
        self._hertz = hertz
        self._certificate = certificate
        self.server = None
        self._relay = None
        self._one_by_one = False
        self._manner = MANNERS[manner](self)

    def connect(self, call, channels, payload_type):
        """A peer connection of a call."""
        return connection.Connection(
            call, self._hertz, channels, payload_type, self._certificate, self._relay
        )

    def relayed(self, relay):
        self._relay = relay
        self.tell("relayed")

    def tell(self, event, **fields):
        """Only from the main loop, so that no line is torn."""
        print(json.dumps({"event": event, **fields}), flush=True)

    def failed(self, why):
        self.tell("failed", why=why)

    def say(self, room, event_type, content, then=None):
        """Sends an event of a call, or one for each candidate."""
        candidates = content.get("candidates", [])
        if self._one_by_one and len(candidates) > 1:
            for candidate in candidates[:-1]:
                self.say(room, event_type, {**content, "candidates": [candidate]})
            content = {**content, "candidates": candidates[-1:]}

        def is_said(event_id):
            self.tell("said", type=event_type, content=content, event_id=event_id)
            if then is not None:
                then()

        self.server.send(room, event_type, content, is_said)

    def order(self, order):
        name = order["order"]
        if name == "register":
            self.server = homeserver.Homeserver(self, order["homeserver"])
            self.server.register(
                order["name"], lambda user: self.tell("registered", user=user)
            )
        elif name == "room":
            self.server.create_room(
                order["with"],
                order["encrypted"],
                lambda room: self.tell("room", room=room),
            )
        elif name == "relay":
            self.server.turn_server(self.relayed)
        elif name == "one_by_one":
            self._one_by_one = True
        elif name == "say":
            self.say(order["room"], order["type"], order["content"])
        elif name == "call":
            self._manner.call(order["room"])
        elif name in ("mute", "unmute"):
            self._manner.mute(name == "mute")
        elif name in ("answer", "reject", "hang_up"):
            getattr(self._manner, name)()
        else:
            raise ValueError(f"no such order: {name}")

    def member_changed(self, room, user, membership):
        self.tell("member", room=room, user=user, membership=membership)

    def events_came(self, room, events):
        for event in events:
            if event["sender"] != self.server.user:
                self.tell(
                    "received",
                    type=event["type"],
                    content=event["content"],
                    encrypted=event.get("encrypted", False),
                )
        self._manner.events_came(room, events)


def main():
    loop = GLib.MainLoop()
    peer = Peer(sys.argv[1], float(sys.argv[2]), sys.argv[3])
    # What goes wrong in a callback would only be printed.
    sys.excepthook = lambda *error: peer.failed("".join(traceback.format_exception(*error)))

    def read():
        for line in sys.stdin:
            GLib.idle_add(peer.order, json.loads(line))
        GLib.idle_add(loop.quit)

    threading.Thread(target=read, daemon=True).start()
    peer.tell("ready")
    loop.run()


main()
