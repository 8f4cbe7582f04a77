"""A homeserver by its client-server API: an account, rooms, what is sent, and the timeline as it comes.

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
            threading.Thread(target=self._follow, daemon=True).start()
            return self.user

        self._jobs.put((job, then))

    def create_room(self, user, then):
        """A direct room without encryption, with this user."""
        body = {"preset": "private_chat", "is_direct": True, "invite": [user]}

        def job(connection):
            room = self._ask(connection, "POST", "/createRoom", body)["room_id"]
            path = f"/user/{_quoted(self.user)}/account_data/m.direct"
            self._ask(connection, "PUT", path, {user: [room]})
            return room

        self._jobs.put((job, then))

    def send(self, room, event_type, content, then):
        """Everything that is sent leaves in this order. `then` gets the event's ID."""
        path = f"/rooms/{_quoted(room)}/send/{event_type}/{next(self._transactions)}"

        def job(connection):
            return self._ask(connection, "PUT", path, content)["event_id"]

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
            calls = [event for event in timeline if event["type"].startswith(CALLS)]
            if calls:
                GLib.idle_add(self._owner.events_came, room, calls)

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
