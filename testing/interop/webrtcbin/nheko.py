"""The manners of Nheko 0.12.1 in a call for voice with somebody else, at its only device.

Read in Nheko's `src/voip/CallManager.cpp` and `WebRTCSession.cpp` (commit 90ff9c6f) and mtxclient's `lib/structs/events/voip.cpp`
(commit f5766cb). Where a comment says "Nheko", that is what it does, be it right or not.
"""

import enum
import random
import string
import time

from gi.repository import GLib

import connection

# CallManager.h, timeoutms_.
LIFETIME_MS = 120_000
# WebRTCSession::acceptOffer waits so long before it sets the offer.
BEFORE_OFFER_MS = 200
# WebRTCSession::createOffer.
OPUS_PAYLOAD_TYPE = 111
# A microphone of PulseAudio has two.
CHANNELS = 2


class State(enum.IntEnum):
    """WebRTCSession.h."""

    DISCONNECTED = 0
    INITIATED = 1
    OFFER_SENT = 2
    ANSWER_SENT = 3
    CONNECTED = 4


class Nheko:
    def __init__(self, peer):
        self._peer = peer
        # One for as long as the program runs (CallManager.h, partyid_).
        letters = string.ascii_letters + string.digits
        self._party = "".join(random.choices(letters, k=8))
        # It stays what the last invite said.
        self._version = "1"
        self._clear()

    def _clear(self):
        self._connection = None
        self._state = State.DISCONNECTED
        self._room = self._call_id = ""
        self._offering = self._rings = self._answer_selected = False
        self._offer = ""
        self._local_candidates = []
        self._remote_candidates = []

    # What its user does.

    def call(self, room):
        if self._state != State.DISCONNECTED:
            return
        others = [user for user in self._peer.server.joined(room) if user != self._peer.server.user]
        if len(others) != 1:
            self._peer.failed(f"Nheko calls only where two are: {others}")
            return
        self._room, self._invitee = room, others[0]
        self._call_id = f"c{int(time.time() * 1000)}"
        self._offering = True
        self._start(OPUS_PAYLOAD_TYPE)

    def answer(self):
        if not self._rings:
            return
        payload_type = connection.opus_payload_type(self._offer)
        if payload_type is None:
            # Without Opus Nheko has no call.
            self._hang_up("user_hangup")
            return
        self._rings = False
        self._start(payload_type)
        current = self._connection
        GLib.timeout_add(BEFORE_OFFER_MS, self._set_offer, current, self._offer)
        for candidate in self._remote_candidates:
            self._add(candidate)
        self._remote_candidates = []

    def reject(self):
        if self._version == "0":
            call_id, room = self._call_id, self._room
            self._hang_up("user_hangup")
            self._say("m.call.reject", {"party_id": self._party}, call_id, room)
        elif self._call_id:
            # Without a reason.
            self._say("m.call.reject", {"party_id": self._party})
            self._end("rejected")

    def hang_up(self):
        self._hang_up("user_hangup")

    def mute(self, muted):
        # Nothing is said of it, there is but silence.
        if self._connection is not None:
            self._connection.mute(muted)

    # What its media engine tells.

    def _start(self, payload_type):
        self._connection = self._peer.connect(self, CHANNELS, payload_type)
        self._state = State.INITIATED
        self._connection.start()

    def _set_offer(self, current, offer):
        if current is self._connection:
            current.set_remote("offer", offer, lambda: current.create("answer", self._created))
        return GLib.SOURCE_REMOVE

    def negotiation_needed(self):
        if self._offering:
            self._connection.create("offer", self._created)

    def _created(self, sdp):
        # What is sent is the text before gathering: Nheko's descriptions hold no candidates.
        self._sdp = sdp
        self._connection.set_local("offer" if self._offering else "answer", sdp)

    def candidate_found(self, index, candidate):
        # With bundling Nheko has no use for a mid.
        self._local_candidates.append(
            {"sdpMid": "", "sdpMLineIndex": index, "candidate": candidate}
        )

    def gathered(self):
        """Only now Nheko speaks, and without an end of candidates."""
        description = {"sdp": self._sdp, "type": "offer" if self._offering else "answer"}
        if self._offering:
            invite = {"offer": description, "lifetime": LIFETIME_MS}
            if self._version != "0":
                invite["invitee"] = self._invitee
            call_id = self._call_id
            self._say("m.call.invite", invite, then=lambda: self._peer.tell("ringing_out"))
            GLib.timeout_add(LIFETIME_MS, self._nobody_answers, call_id)
            self._state = State.OFFER_SENT
        else:
            self._say("m.call.answer", {"answer": description})
            self._state = State.ANSWER_SENT
        self._say("m.call.candidates", {"candidates": self._local_candidates})

    def _nobody_answers(self, call_id):
        if self._state == State.OFFER_SENT and call_id == self._call_id:
            self._hang_up("invite_timeout")
        return GLib.SOURCE_REMOVE

    def ice_changed(self, state):
        if state == "failed":
            self._hang_up("ice_failed")

    def audio_came(self):
        """To Nheko, this is what connects a call."""
        self._state = State.CONNECTED
        self._peer.tell("connected")

    def heard(self, hertz, level, purity):
        self._peer.tell("hears", hertz=hertz, level=level, purity=purity)

    def broken(self, why):
        self._end(why)

    # What comes from the room.

    def events_came(self, room, events):
        for event in events:
            handler = self._HANDLERS.get(event["type"])
            if handler is None:
                continue
            own = event["sender"] == self._peer.server.user
            if own and event["type"] in ("m.call.candidates", "m.call.negotiate"):
                continue  # TimelineModel::addEvents
            try:
                content = _READERS[event["type"]](event["content"])
            except (KeyError, TypeError) as error:
                self._peer.tell("lost", type=event["type"], why=f"mtxclient: {error!r}")
                continue
            if own and event["content"].get("party_id") == self._party:
                continue
            handler(self, room, event["sender"], content)

    def _hear_invite(self, room, _, content):
        # Neither its age nor its lifetime are looked at.
        self._version = content["version"]
        if self._state != State.DISCONNECTED:
            self._hear_crossing_invite(room, content)
            return
        invitee = content.get("invitee", "")
        in_two = len(self._peer.server.joined(room)) == 2
        for_us = in_two or (self._version != "0" and invitee in ("", self._peer.server.user))
        if not for_us:
            hangup = {"reason": "invite_timeout"}
            self._say("m.call.hangup", hangup, content["call_id"], room)
            return
        self._take_invite(room, content)
        self._peer.tell("ringing", room=room, video="m=video" in self._offer.lower())

    def _hear_crossing_invite(self, room, content):
        """Whoever is in a call says nothing; where both call, the lesser call survives."""
        if self._state == State.OFFER_SENT and room == self._room:
            if self._call_id > content["call_id"]:
                self._end("glare")
                self._take_invite(room, content)
                self.answer()
        elif self._state == State.INITIATED and room == self._room:
            self._end("glare")
            self._take_invite(room, content)
            self._peer.tell("ringing", room=room, video=False)

    def _take_invite(self, room, content):
        self._room, self._call_id = room, content["call_id"]
        self._offer = content["offer"]["sdp"]
        self._remote_candidates = []
        self._rings = True

    def _hear_candidates(self, room, sender, content):
        if content["call_id"] != self._call_id:
            self._peer.tell("lost", type="m.call.candidates", why="of no call")
            return
        for candidate in content["candidates"]:
            if self._state == State.DISCONNECTED:
                self._remote_candidates.append(candidate)
            else:
                self._add(candidate)

    def _add(self, candidate):
        # By its number alone.
        if candidate.get("candidate"):
            self._connection.add_candidate(candidate.get("sdpMLineIndex", 0), candidate["candidate"])

    def _hear_answer(self, room, sender, content):
        # The party is not looked at.
        if self._answer_selected:
            return
        if self._state == State.OFFER_SENT and content["call_id"] == self._call_id:
            self._connection.set_remote("answer", content["answer"]["sdp"])
        self._select(content["party_id"])
        self._answer_selected = True

    def _hear_select_answer(self, room, sender, content):
        if content["call_id"] == self._call_id and content["selected_party_id"] != self._party:
            self._end("answered_elsewhere")

    def _hear_reject(self, room, sender, content):
        if self._answer_selected or content["call_id"] != self._call_id:
            return
        if self._state == State.OFFER_SENT:
            self._select(content["party_id"])
            self._end("declined")

    def _hear_hangup(self, room, sender, content):
        # Whoever it is from.
        if content["call_id"] == self._call_id:
            self._end("remote_hangup")

    def _hear_negotiate(self, room, sender, content):
        # WebRTCSession::acceptNegotiation takes none, of whatever call.
        self._hang_up("user_hangup")

    # What it says.

    def _select(self, party):
        self._say("m.call.select_answer", {"selected_party_id": party})

    def _hang_up(self, reason):
        if self._call_id:
            self._say("m.call.hangup", {"reason": reason})
            self._end(reason)

    def _end(self, why):
        if self._connection is not None:
            self._connection.close()
        self._clear()
        self._peer.tell("ended", why=why)

    def _say(self, event_type, fields, call_id=None, room=None, then=None):
        # mtxclient's add_version: 0 is a number, "1" is a text. What has no parties has no party_id.
        content = {"call_id": call_id or self._call_id, **fields}
        content["version"] = 0 if self._version == "0" else self._version
        if self._version != "0":
            content["party_id"] = self._party
        self._peer.say(room or self._room, event_type, content, then)

    _HANDLERS = {
        "m.call.invite": _hear_invite,
        "m.call.candidates": _hear_candidates,
        "m.call.answer": _hear_answer,
        "m.call.select_answer": _hear_select_answer,
        "m.call.reject": _hear_reject,
        "m.call.hangup": _hear_hangup,
        "m.call.negotiate": _hear_negotiate,
    }


# What mtxclient reads, `from_json` of each type: what must be there and is not, or is of another kind, and be it null, loses the
# event. Reasons, `type` and metadata are read so too, or not at all.


def _text(fields, name):
    return _of(str, fields, name)


def _of(kind, fields, name):
    value = fields[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{name} is {value!r}")
    return value


def _common(content, always_a_party=False):
    read = {"call_id": _text(content, "call_id")}
    version = content["version"]
    # Any number is version 0.
    read["version"] = "0" if isinstance(version, (int, float)) else _text(content, "version")
    if read["version"] != "0" or always_a_party:
        read["party_id"] = _text(content, "party_id")
    return read


def _description(content, name):
    description = _of(dict, content, name)
    return {"sdp": _text(description, "sdp"), "type": _text(description, "type")}


def _read_invite(content):
    read = _common(content)
    read["offer"] = _description(content, "offer")
    _of(int, content, "lifetime")
    if read["version"] != "0" and "invitee" in content:
        read["invitee"] = _text(content, "invitee")
    return read


def _read_candidates(content):
    read = _common(content)
    read["candidates"] = [_candidate(one) for one in _of(list, content, "candidates")]
    return read


def _candidate(one):
    kinds = {"sdpMid": str, "sdpMLineIndex": int, "candidate": str}
    return {name: _of(kind, one, name) for name, kind in kinds.items() if name in one}


def _read_answer(content):
    return {**_common(content), "answer": _description(content, "answer")}


def _read_select_answer(content):
    selected = _text(content, "selected_party_id")
    return {**_common(content, True), "selected_party_id": selected}


def _read_hangup(content):
    if "reason" in content:
        _text(content, "reason")
    return _common(content)


def _read_negotiate(content):
    # Its version is not read.
    _of(int, content, "lifetime")
    _text(content, "call_id"), _text(content, "party_id")
    return _description(content, "description")


_READERS = {
    "m.call.invite": _read_invite,
    "m.call.candidates": _read_candidates,
    "m.call.answer": _read_answer,
    "m.call.select_answer": _read_select_answer,
    "m.call.reject": lambda content: _common(content, True),
    "m.call.hangup": _read_hangup,
    "m.call.negotiate": _read_negotiate,
}
