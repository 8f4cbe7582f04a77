"""Olm and Megolm, as far as a client needs them that is on line all the time: its device, keys of rooms out and in.

vodozemac does the cryptography. What is around it follows the client-server API 1.15, "End-to-end encryption": every device of
everybody in a room gets its keys, whoever they are, as Nheko and matrix-dart-sdk do it unless told otherwise.
"""

import base64
import json

import vodozemac

OLM = "m.olm.v1.curve25519-aes-sha2"
MEGOLM = "m.megolm.v1.aes-sha2"
# So many may write to us before more are needed.
ONE_TIME_KEYS = 50


class Encryption:
    """What one device knows. Whoever calls it says how the homeserver is asked: `ask(method, path, body)`."""

    def __init__(self, user, device):
        self._user = user
        self._device = device
        self._account = vodozemac.Account()
        self._olm = {}
        self._outgoing = {}
        self._incoming = {}
        self._transactions = 0
        self.rooms = set()

    def publish(self, ask):
        """Uploads the device and its keys."""
        device = {
            "user_id": self._user,
            "device_id": self._device,
            "algorithms": [OLM, MEGOLM],
            "keys": {
                f"curve25519:{self._device}": self._account.curve25519_key.to_base64(),
                f"ed25519:{self._device}": self._account.ed25519_key.to_base64(),
            },
        }
        self._account.generate_one_time_keys(ONE_TIME_KEYS)
        keys = {
            f"signed_curve25519:{number}": self._signed({"key": key.to_base64()})
            for number, key in self._account.one_time_keys.items()
        }
        ask(
            "POST",
            "/keys/upload",
            {"device_keys": self._signed(device), "one_time_keys": keys},
        )
        self._account.mark_keys_as_published()

    def encrypt(self, ask, room, users, event_type, content):
        """An event for a room, after its keys have gone to all devices of these users that have none."""
        if room not in self._outgoing:
            session = vodozemac.GroupSession()
            self._outgoing[room] = session, set()
            # Our own events come back with the timeline.
            own = vodozemac.InboundGroupSession(session.session_key)
            self._incoming[room, session.session_id] = own
        session, has_it = self._outgoing[room]
        self._share(ask, room, session, has_it, users)
        plain = {"type": event_type, "content": content, "room_id": room}
        return {
            "algorithm": MEGOLM,
            "ciphertext": session.encrypt(json.dumps(plain).encode()).to_base64(),
            "device_id": self._device,
            "sender_key": self._account.curve25519_key.to_base64(),
            "session_id": session.session_id,
        }

    def decrypt(self, room, event):
        """The event in one of a room, or nothing while its key is not there."""
        content = event["content"]
        session = self._incoming.get((room, content["session_id"]))
        if session is None:
            return None
        message = vodozemac.MegolmMessage.from_base64(content["ciphertext"])
        plain = json.loads(session.decrypt(message).plaintext)
        if plain["room_id"] != room:
            raise ValueError("an event of another room")
        return {**event, "type": plain["type"], "content": plain["content"], "encrypted": True}

    def take(self, event):
        """A message to this device. Whether there is a new key of a room in it."""
        content = event["content"]
        if event["type"] != "m.room.encrypted" or content["algorithm"] != OLM:
            return False
        mine = content["ciphertext"].get(self._account.curve25519_key.to_base64())
        if mine is None:
            return False
        plain = json.loads(self._open(content["sender_key"], mine))
        if plain["sender"] != event["sender"] or plain["recipient"] != self._user:
            raise ValueError("a message of somebody else, or for somebody else")
        key = plain["content"]
        if plain["type"] != "m.room_key" or key["algorithm"] != MEGOLM:
            return False
        session = vodozemac.InboundGroupSession(vodozemac.SessionKey(key["session_key"]))
        self._incoming[key["room_id"], key["session_id"]] = session
        return True

    def _open(self, sender_key, message):
        body = base64.b64decode(message["body"] + "=" * (-len(message["body"]) % 4))
        message = vodozemac.AnyOlmMessage.from_parts(message["type"], body)
        sessions = self._olm.setdefault(sender_key, [])
        first = message.to_pre_key()
        for session in sessions:
            if first is None or session.session_matches(first):
                try:
                    return session.decrypt(message)
                except vodozemac.OlmDecryptionException:
                    continue
        if first is None:
            raise ValueError("a message of no session")
        key = vodozemac.Curve25519PublicKey.from_base64(sender_key)
        session, plain = self._account.create_inbound_session(key, first)
        sessions.append(session)
        return plain

    def _share(self, ask, room, session, has_it, users):
        asked = ask("POST", "/keys/query", {"device_keys": {user: [] for user in users}})
        devices = {
            (user, device): keys["keys"]
            for user, devices in asked["device_keys"].items()
            for device, keys in devices.items()
            if (user, device) not in has_it and (user, device) != (self._user, self._device)
        }
        if not devices:
            return
        wanted = {}
        for user, device in devices:
            wanted.setdefault(user, {})[device] = "signed_curve25519"
        claimed = ask("POST", "/keys/claim", {"one_time_keys": wanted})["one_time_keys"]
        messages = {}
        for (user, device), keys in devices.items():
            claim = claimed.get(user, {}).get(device)
            if not claim:
                continue
            one_time_key = next(iter(claim.values()))["key"]
            curve = keys[f"curve25519:{device}"]
            olm = self._account.create_outbound_session(
                vodozemac.Curve25519PublicKey.from_base64(curve),
                vodozemac.Curve25519PublicKey.from_base64(one_time_key),
            )
            self._olm.setdefault(curve, []).append(olm)
            plain = {
                "type": "m.room_key",
                "content": {
                    "algorithm": MEGOLM,
                    "room_id": room,
                    "session_id": session.session_id,
                    "session_key": session.session_key.to_base64(),
                },
                "sender": self._user,
                "sender_device": self._device,
                "keys": {"ed25519": self._account.ed25519_key.to_base64()},
                "recipient": user,
                "recipient_keys": {"ed25519": keys[f"ed25519:{device}"]},
            }
            kind, body = olm.encrypt(json.dumps(plain).encode()).to_parts()
            messages.setdefault(user, {})[device] = {
                "algorithm": OLM,
                "sender_key": self._account.curve25519_key.to_base64(),
                "ciphertext": {curve: {"type": kind, "body": _base64(body)}},
            }
            has_it.add((user, device))
        self._transactions += 1
        path = f"/sendToDevice/m.room.encrypted/keys{self._transactions}"
        ask("PUT", path, {"messages": messages})

    def _signed(self, what):
        text = json.dumps(what, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        signature = self._account.sign(text.encode()).to_base64()
        return {**what, "signatures": {self._user: {f"ed25519:{self._device}": signature}}}


def _base64(data):
    return base64.b64encode(data).rstrip(b"=").decode()
