"""The manners of matrix-dart-sdk 10.0.0 in a call for voice, in an application that takes one call at a time, as FluffyChat.

Read in its `lib/src/voip/call_session.dart`, `voip.dart` and `utils/voip_constants.dart` (commit 236f35b0). Its own media engine
is that of browsers: what is in a description comes of `webrtcbin` here, and no ICE is restarted. Where a comment says "dart",
that is what it does, be it right or not.
"""

import base64
import enum
import os
import random
import string
import time

from gi.repository import GLib

import connection

# CallTimeouts: callInviteLifetime, iceGatheringDelay, delayBeforeOffer.
LIFETIME_MS = 60_000
FOR_CANDIDATES_MS = 200
BEFORE_OFFER_MS = 100
# libwebrtc gathers in three steps, 50 ms apart, and is complete then where no server is asked. webrtcbin says so 200 ms late.
GATHERING_MS = 100
# _preparePeerConnection: how long after a candidate the queue of them leaves.
CALLER_QUEUE_MS = 2_000
CALLEE_QUEUE_MS = 500
# voip/models/call_events.dart, sdpStreamMetadataKey: it knows no other.
METADATA = "org.matrix.msc3077.sdp_stream_metadata"
CAPABILITIES = {"m.call.transferee": False, "m.call.dtmf": False}
OPUS_PAYLOAD_TYPE = 111
CHANNELS = 1
# CallConstants: an event of the first kind removes those of the second from the events that came with it.
ENDED = {"m.call.answer", "m.call.hangup", "m.call.reject", "m.call.replaces"}
OMITTED = {
    "m.call.invite",
    "m.call.candidates",
    "m.call.negotiate",
    "m.call.sdp_stream_metadata_changed",
    "org.matrix.call.sdp_stream_metadata_changed",
}


class State(enum.Enum):
    FLEDGLING = enum.auto()
    INVITE_SENT = enum.auto()
    RINGING = enum.auto()
    CONNECTING = enum.auto()
    CONNECTED = enum.auto()
    ENDED = enum.auto()


class Dart:
    """The application with its calls, of which but one is under way."""

    def __init__(self, peer):
        self.peer = peer
        # VoIP.currentSessionId, the same in all calls: always with "=", and here with what else the alphabet has beyond letters.
        self.party = ""
        while not {"+", "/"} <= set(self.party):
            self.party = base64.b64encode(os.urandom(16)).decode()
        self.current = None

    def call(self, room):
        others = [user for user in self.peer.server.joined(room) if user != self.peer.server.user]
        letters = string.ascii_letters + string.digits
        call_id = f"{int(time.time() * 1000)}{''.join(random.choices(letters, k=16))}"
        self.current = Call(self, room, call_id, others[0], outgoing=True)

    def answer(self):
        self.current.answer()

    def reject(self):
        self.current.reject()

    def hang_up(self):
        self.current.hang_up("user_hangup")

    def mute(self, muted):
        self.current.mute(muted)

    def events_came(self, room, events):
        """Those of one room in one sync response: `_handleCallEvents`."""
        over = {one["content"].get("call_id") for one in events if one["type"] in ENDED}
        for event in events:
            content = event["content"]
            if event["type"] in OMITTED and content.get("call_id") in over:
                self._lose(event, "of a call that is answered or over")
                continue
            age = event.get("unsigned", {}).get("age", 0)
            if event["type"] == "m.call.invite" and age > content.get("lifetime", LIFETIME_MS):
                self._lose(event, "too old")
                continue
            try:
                self._hear(room, event, content)
            except (KeyError, TypeError, AttributeError) as error:
                self._lose(event, repr(error))

    def _hear(self, room, event, content):
        """`_handleCallEvent`."""
        sender, call = event["sender"], self.current
        if call is not None and (room, content["call_id"]) != (call.room, call.call_id):
            call = None
        if event["type"] == "m.call.invite":
            if call is None and sender != self.peer.server.user:
                self._hear_invite(room, sender, content)
        elif call is None:
            self._lose(event, "we do not have the call")
        elif sender != call.user:
            pass
        elif call.remote_party is not None and call.remote_party != content.get("party_id"):
            self._lose(event, "of another party")
        elif event["type"] in Call.HANDLERS:
            Call.HANDLERS[event["type"]](call, content)

    def _hear_invite(self, room, sender, content):
        lifetime, offer = content["lifetime"], content["offer"]["sdp"]
        if not isinstance(lifetime, int) or not isinstance(offer, str):
            raise TypeError("lifetime or offer")
        if content.get("invitee") not in (None, self.peer.server.user):
            return
        if self.current is not None:
            # Busy: since version 0.16 it tells nobody (`reject` with `shouldEmit: false`).
            self.peer.tell("busy")
            return
        self.current = call = Call(self, room, content["call_id"], sender, outgoing=False)
        call.ring(content, offer)

    def _lose(self, event, why):
        if event["sender"] != self.peer.server.user:
            self.peer.tell("lost", type=event["type"], why=f"dart: {why}")


class Call:
    """`CallSession`."""

    def __init__(self, dart, room, call_id, user, outgoing):
        self.room, self.call_id, self.user = room, call_id, user
        self.remote_party = None
        self._dart, self._peer = dart, dart.peer
        self._outgoing = outgoing
        self._state = State.FLEDGLING
        self._metadata = None
        self._stream = None
        self._sent = self._muted = self._has_remote = False
        self._local_candidates = []
        self._remote_candidates = []
        self._connection = None
        if outgoing:
            self._connect(OPUS_PAYLOAD_TYPE)

    def _connect(self, payload_type):
        self._connection = self._peer.connect(self, CHANNELS, payload_type)
        self._connection.start()

    def ring(self, content, offer):
        """`onCallInvite`, `initWithInvite`: its microphone is open, and the offer set, before anybody answers."""
        self.remote_party = content.get("party_id")
        self._read_metadata(content)
        self._remote_sdp = offer
        payload_type = connection.opus_payload_type(offer)
        if payload_type is None:
            raise TypeError("webrtcbin's stand-in: no Opus in the offer")
        self._connect(payload_type)
        # webrtcbin's answer lacks the tracks unless the microphone has begun; a browser's does not.
        GLib.timeout_add(BEFORE_OFFER_MS, self._set_offer, offer)
        if self._metadata is None:
            self._video = "m=video" in offer
        else:
            # One stream that is not muted is enough, and whatever the description says.
            self._video = any(not it.get("video_muted") for it in self._metadata.values())

    def _set_offer(self, offer):
        if self._state == State.FLEDGLING:
            self._connection.set_remote("offer", offer, self._rings)
        return GLib.SOURCE_REMOVE

    def _rings(self):
        self._state, self._has_remote = State.RINGING, True
        GLib.timeout_add(LIFETIME_MS, self._too_late, State.RINGING)
        self._peer.tell("ringing", room=self.room, video=self._video)

    def _too_late(self, state):
        if self._state == state:
            self.hang_up("invite_timeout")
        return GLib.SOURCE_REMOVE

    # What its user does.

    def answer(self):
        self._state = State.CONNECTING
        self._connection.create("answer", self._answer_made)

    def _answer_made(self, sdp):
        for candidate in self._remote_candidates:
            self._add(candidate)
        self._describe("answer", sdp)

    def reject(self):
        if self._state != State.RINGING:
            self.hang_up("user_hangup")
            return
        self._terminate("rejected")
        # Without a reason.
        self._say("m.call.reject", {})

    def hang_up(self, why):
        if self._state == State.ENDED:
            return
        self._terminate(why)
        # Whatever the reason is, this is what it says: `sendHangupCall(…, 'userHangup')`.
        self._say("m.call.hangup", {"reason": "userHangup"})

    def mute(self, muted):
        self._muted = muted
        self._connection.mute(muted)
        self._say_metadata()

    # What its media engine tells.

    def negotiation_needed(self):
        if self._outgoing and not self._sent:
            GLib.timeout_add(BEFORE_OFFER_MS, self._make_offer)

    def _make_offer(self):
        if self._state == State.FLEDGLING:
            self._connection.create("offer", lambda sdp: self._describe("offer", sdp))
        return GLib.SOURCE_REMOVE

    def _describe(self, kind, sdp):
        """Sets it, and sends it a little later, as it was before gathering: `_gotLocalOffer`, `answer`."""
        self._sdp, self._stream = connection.with_stream(sdp), connection.stream_of(sdp)
        self._connection.set_local(kind, sdp)
        # With an offer only where it is gathering, which a browser is by then.
        GLib.timeout_add(FOR_CANDIDATES_MS, self._send, kind)

    def _send(self, kind):
        if self._state == State.ENDED:
            return GLib.SOURCE_REMOVE
        fields = {
            kind: {"sdp": self._sdp, "type": kind},
            "capabilities": CAPABILITIES,
            METADATA: self._local_metadata(),
        }
        if kind == "offer":
            fields.update(lifetime=LIFETIME_MS, invitee=self.user)
            self._say("m.call.invite", fields, self._invite_is_sent)
        else:
            self._say("m.call.answer", fields, self._answer_is_sent)
        return GLib.SOURCE_REMOVE

    def _invite_is_sent(self):
        if self._state == State.ENDED:
            # Hung up meanwhile, which nobody could understand before the invite.
            self._say("m.call.hangup", {"reason": "userHangup"})
            return
        self._sent, self._state = True, State.INVITE_SENT
        GLib.timeout_add(LIFETIME_MS, self._too_late, State.INVITE_SENT)
        self._peer.tell("ringing_out")

    def _answer_is_sent(self):
        self._sent = True

    def candidate_found(self, index, candidate):
        mid = connection.mid_of(self._sdp) or ""
        self._local_candidates.append(
            {"candidate": candidate, "sdpMid": mid, "sdpMLineIndex": index}
        )
        if len(self._local_candidates) == 1:
            GLib.timeout_add(GATHERING_MS, self._send_candidates)
        if self._sent:
            wait = CALLER_QUEUE_MS if self._outgoing else CALLEE_QUEUE_MS
            GLib.timeout_add(wait, self._send_candidates)

    def gathered(self):
        self._send_candidates()

    def _send_candidates(self):
        """As soon as gathering is complete, be it before the invite or the answer, and without an end of candidates."""
        if self._local_candidates and self._state != State.ENDED:
            self._say("m.call.candidates", {"candidates": self._local_candidates})
            self._local_candidates = []
        return GLib.SOURCE_REMOVE

    def ice_changed(self, state):
        if state in ("connected", "completed") and self._state != State.CONNECTED:
            self._state = State.CONNECTED
            self._peer.tell("connected")
            # updateMuteStatus, each time.
            self._say_metadata()
        elif state == "failed":
            self.hang_up("ice_failed")

    def audio_came(self):
        """A stream without metadata is none (`_addRemoteStream`)."""
        if connection.stream_of(self._remote_sdp) not in (self._metadata or {}):
            self._peer.tell("lost", type="stream", why="dart: no metadata about it")

    def heard(self, hertz, level, purity):
        if connection.stream_of(self._remote_sdp) in (self._metadata or {}):
            self._peer.tell("hears", hertz=hertz, level=level, purity=purity)

    def broken(self, why):
        self.hang_up(why)

    # What comes from the room.

    def _hear_answer(self, content):
        if self._state == State.RINGING:
            self._terminate("answered_elsewhere")
            return
        if self.remote_party is not None:
            return
        self.remote_party = content.get("party_id")
        self._read_metadata(content)
        self._remote_sdp = content["answer"]["sdp"]
        self._state = State.CONNECTING
        self._connection.set_remote("answer", self._remote_sdp)
        self._has_remote = True
        for candidate in self._remote_candidates:
            self._add(candidate)
        if self.remote_party is not None:
            self._say("m.call.select_answer", {"selected_party_id": self.remote_party})

    def _hear_candidates(self, content):
        for candidate in content["candidates"]:
            # RTCIceCandidate.isValid: the end of candidates is none.
            if not candidate["candidate"]:
                continue
            if self._has_remote and self._sent:
                self._add(candidate)
            else:
                self._remote_candidates.append(candidate)

    def _add(self, candidate):
        self._connection.add_candidate(candidate.get("sdpMLineIndex") or 0, candidate["candidate"])

    def _hear_select_answer(self, content):
        if not self._outgoing and content["selected_party_id"] != self._dart.party:
            self._ended_remotely("answered_elsewhere")

    def _hear_reject(self, content):
        if self._state in (State.INVITE_SENT, State.RINGING):
            self._terminate(content.get("reason") or "declined")

    def _hear_hangup(self, content):
        self._ended_remotely("remote_hangup")

    def _ended_remotely(self, why):
        # Where it is connected, it answers a hangup by one of its own (`terminate`).
        if self._state == State.CONNECTED:
            self.hang_up(why)
        else:
            self._terminate(why)

    def _hear_metadata(self, content):
        if content.get(METADATA) is not None:
            self._read_metadata(content)
            muted = [it.get("audio_muted", False) for it in self._metadata.values()]
            self._peer.tell("peer_muted", muted=any(muted))

    def _hear_negotiate(self, content):
        description = content["description"]
        if description["type"] != "offer":
            self._connection.set_remote("answer", description["sdp"])
            return
        self._read_metadata(content)
        self._remote_sdp = description["sdp"]
        self._connection.set_remote(
            "offer",
            description["sdp"],
            lambda: self._connection.create("answer", self._negotiated),
        )

    def _negotiated(self, sdp):
        # Without metadata. Ten seconds are defaultCallEventLifetime.
        fields = {"description": {"sdp": sdp, "type": "answer"}, "lifetime": 10_000}
        self._say("m.call.negotiate", fields)
        self._connection.set_local("answer", sdp)

    # What it says.

    def _read_metadata(self, content):
        """The stable key it does not know."""
        read = content.get(METADATA)
        if read is None:
            return
        for stream in read.values():
            if not isinstance(stream["purpose"], str):
                raise TypeError("purpose")
        self._metadata = read

    def _local_metadata(self):
        stream = {"purpose": "m.usermedia", "audio_muted": self._muted, "video_muted": True}
        return {self._stream: stream}

    def _say_metadata(self):
        self._say("m.call.sdp_stream_metadata_changed", {METADATA: self._local_metadata()})

    def _terminate(self, why):
        self._state = State.ENDED
        if self._connection is not None:
            self._connection.close()
        if self._dart.current is self:
            self._dart.current = None
        self._peer.tell("ended", why=why)

    def _say(self, event_type, fields, then=None):
        common = {"call_id": self.call_id, "party_id": self._dart.party, "version": "1"}
        self._peer.say(self.room, event_type, {**common, **fields}, then)

    HANDLERS = {
        "m.call.answer": _hear_answer,
        "m.call.candidates": _hear_candidates,
        "m.call.select_answer": _hear_select_answer,
        "m.call.reject": _hear_reject,
        "m.call.hangup": _hear_hangup,
        "m.call.negotiate": _hear_negotiate,
        "m.call.sdp_stream_metadata_changed": _hear_metadata,
        "org.matrix.call.sdp_stream_metadata_changed": _hear_metadata,
    }

