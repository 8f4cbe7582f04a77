"""A homeserver by its client-server API: an account, rooms, what is sent, and the timeline as it comes, encrypted where the room is.

Two threads wait for it, one that sends and one that syncs; what they hear is told in the main loop.
"""

import http.client
import itertools
import json
import queue
import threading
import time
import urllib.parse

from gi.repository import GLib

import encryption

# A long poll, and what the rest may take on a busy machine.
SYNC_TIMEOUT_MS = 30_000
PATIENCE_S = 120
# The second is the unstable prefix, which some events still have.
CALLS = ("m.call.", "org.matrix.call.")


class Refused(Exception):
    """It answered with an error."""


class Homeserver:
    """It tells `owner` by `events_came` (all events of calls of a room in one sync response), `member_changed` and `failed`."""

    def __init__(self, owner, url):
        self._owner = owner
        self._address = urllib.parse.urlsplit(url).netloc
        self._token = None
        self._jobs = queue.Queue()
        self._transactions = itertools.count()
        # By room, and in it by user.
        self.members = {}
        self.user = None
        # Of two threads: one at a time.
        self._encryption_lock = threading.Lock()
        self._encryption = None
        # By room: events that wait for a key, and all behind them.
        self._waiting = {}
        threading.Thread(target=self._work, daemon=True).start()

    def register(self, name, then):
        """A new account; then its timeline is followed."""
        body = {
            "username": name,
            "password": f"password of {name}",
            "auth": {"type": "m.login.dummy"},
        }

        def job(connection):
            answer = self._ask(connection, "POST", "/register", body)
            self._token, self.user = answer["access_token"], answer["user_id"]
            self._encryption = encryption.Encryption(self.user, answer["device_id"])
            self._encryption.publish(lambda *what: self._ask(connection, *what))
            threading.Thread(target=self._follow, daemon=True).start()
            return self.user

        self._jobs.put((job, then))

    def create_room(self, user, encrypted, then):
        """A direct room with this user."""
        body = {"preset": "private_chat", "is_direct": True, "invite": [user]}
        if encrypted:
            content = {"algorithm": encryption.MEGOLM}
            state = {"type": "m.room.encryption", "state_key": "", "content": content}
            body["initial_state"] = [state]

        def job(connection):
            room = self._ask(connection, "POST", "/createRoom", body)["room_id"]
            if encrypted:
                self._encryption.rooms.add(room)
            path = f"/user/{_quoted(self.user)}/account_data/m.direct"
            self._ask(connection, "PUT", path, {user: [room]})
            return room

        self._jobs.put((job, then))

    def turn_server(self, then):
        """The first that the homeserver names, as Nheko gives it to webrtcbin."""

        def job(connection):
            named = self._ask(connection, "GET", "/voip/turnServer", None)
            kind, address = named["uris"][0].split(":", 1)
            user, password = _quoted(named["username"]), _quoted(named["password"])
            return f"{kind}://{user}:{password}@{address}"

        self._jobs.put((job, then))

    def send(self, room, event_type, content, then):
        """Everything that is sent leaves in this order. `then` gets the event's ID."""
        number = next(self._transactions)

        def job(connection):
            kind, body = event_type, content
            if room in self._encryption.rooms:
                users = self.joined(room)
                with self._encryption_lock:
                    body = self._encryption.encrypt(
                        lambda *what: self._ask(connection, *what), room, users, kind, body
                    )
                kind = "m.room.encrypted"
            path = f"/rooms/{_quoted(room)}/send/{kind}/{number}"
            return self._ask(connection, "PUT", path, body)["event_id"]

        self._jobs.put((job, then))

    def _work(self):
        connection = http.client.HTTPConnection(self._address, timeout=PATIENCE_S)
        while True:
            job, then = self._jobs.get()
            try:
                GLib.idle_add(then, job(connection))
            except Exception as error:  # whatever it is, the test is to see it
                GLib.idle_add(self._owner.failed, f"the homeserver: {error!r}")

    def _follow(self):
        connection = http.client.HTTPConnection(self._address, timeout=PATIENCE_S)
        path, since = f"/sync?timeout={SYNC_TIMEOUT_MS}", ""
        while True:
            try:
                answer = self._ask(connection, "GET", path + since, None)
                since = "&since=" + urllib.parse.quote(answer["next_batch"])
                messages = answer.get("to_device", {}).get("events", [])
                with self._encryption_lock:
                    for message in messages:
                        self._encryption.take(message)
                self._take(connection, answer.get("rooms", {}))
            except Exception as error:  # the same
                GLib.idle_add(self._owner.failed, f"syncing: {error!r}")
                return

    def _take(self, connection, rooms):
        for room in rooms.get("invite", {}):
            # Its user accepts each invitation.
            self._ask(connection, "POST", f"/join/{_quoted(room)}", {})
        for room, said in rooms.get("join", {}).items():
            timeline = said.get("timeline", {}).get("events", [])
            for event in said.get("state", {}).get("events", []) + timeline:
                if event["type"] == "m.room.member":
                    GLib.idle_add(self._member, room, event)
                if event["type"] == "m.room.encryption":
                    self._encryption.rooms.add(room)
            self._waiting.setdefault(room, []).extend(timeline)
        # The key of an event may come later than the event.
        for room, waiting in self._waiting.items():
            calls = [event for event in self._readable(room, waiting) if event["type"].startswith(CALLS)]
            if calls:
                GLib.idle_add(self._owner.events_came, room, calls)

    def _readable(self, room, waiting):
        """Takes off what can be read, up to the first that cannot. What is redacted has nothing to be read."""
        readable = []
        while waiting:
            event = waiting[0]
            if event["type"] == "m.room.encrypted" and event["content"]:
                with self._encryption_lock:
                    event = self._encryption.decrypt(room, event)
                if event is None:
                    break
            elif event["type"].startswith(CALLS) and room in self._encryption.rooms:
                raise Refused(f"{event['type']} stands in clear in an encrypted room")
            readable.append(event)
            waiting.pop(0)
        return readable

    def _member(self, room, event):
        user, membership = event["state_key"], event["content"]["membership"]
        members = self.members.setdefault(room, {})
        if members.get(user) != membership:
            members[user] = membership
            self._owner.member_changed(room, user, membership)

    def joined(self, room):
        """Who is in the room."""
        members = self.members.get(room, {})
        return [user for user, membership in members.items() if membership == "join"]

    def _ask(self, connection, method, path, body):
        """The answer, after as many limits as there may be."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        text = None if body is None else json.dumps(body)
        while True:
            connection.request(method, f"/_matrix/client/v3{path}", text, headers)
            answer = connection.getresponse()
            content = json.loads(answer.read())
            if answer.status == 200:
                return content
            if content.get("errcode") != "M_LIMIT_EXCEEDED":
                raise Refused(f"{method} {path}: {answer.status} {content}")
            time.sleep(content.get("retry_after_ms", 1000) / 1000)


def _quoted(text):
    return urllib.parse.quote(text, safe="")
