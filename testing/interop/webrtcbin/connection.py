"""One peer connection by GStreamer's `webrtcbin`, built as Nheko builds its own, with a tone for a microphone.

Nheko 0.12.1, `src/voip/WebRTCSession.cpp`: the elements from the source to `webrtcbin`, `max-bundle`, a `decodebin` for each
pad that comes. All that is told comes in the main loop, where everything else of this program runs too.
"""

import array
import base64
import hashlib
import re

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

import tone  # noqa: E402

Gst.init(None)

# What is heard is measured at this rate: the tones of tests are far below 4 kHz.
RATE = 8000
# Full scale is 1.
AMPLITUDE = 0.25

_TYPES = {
    "offer": GstWebRTC.WebRTCSDPType.OFFER,
    "answer": GstWebRTC.WebRTCSDPType.ANSWER,
}


class Connection:
    """It tells `owner` by `negotiation_needed`, `candidate_found`, `gathered`, `ice_changed`, `audio_came`, `heard`, `broken`."""

    def __init__(self, owner, hertz, channels, payload_type, certificate, relay):
        self._owner = owner
        self._certificate = certificate
        self._sound = bytearray()
        self._pipeline = Gst.parse_launch(
            f"audiotestsrc is-live=true wave=sine freq={hertz} volume={AMPLITUDE}"
            f" ! audio/x-raw,rate=48000,channels={channels} ! volume name=microphone"
            " ! audioconvert ! audioresample ! queue ! opusenc ! rtpopuspay ! queue"
            f" ! application/x-rtp,media=audio,encoding-name=OPUS,payload={payload_type}"
            " ! webrtcbin name=webrtcbin bundle-policy=max-bundle"
        )
        self._webrtc = self._pipeline.get_by_name("webrtcbin")
        if relay:
            self._webrtc.set_property("turn-server", relay)
            # The server of a test is on the loopback interface, which libnice does not use of itself.
            # It is kept: the bindings give the agent away without a reference of its own.
            self._agent = self._webrtc.get_property("ice-agent")
            self._agent.emit("add-local-ip-address", "127.0.0.1")
            self._webrtc.set_property(
                "ice-transport-policy", GstWebRTC.WebRTCICETransportPolicy.RELAY
            )
        self._webrtc.connect("deep-element-added", self._element_added)
        self._webrtc.connect(
            "on-negotiation-needed", lambda *_: self._tell("negotiation_needed")
        )
        self._webrtc.connect(
            "on-ice-candidate",
            lambda _, index, candidate: self._tell("candidate_found", index, candidate),
        )
        self._webrtc.connect("notify::ice-gathering-state", self._gathering)
        self._webrtc.connect("notify::ice-connection-state", self._ice)
        self._webrtc.connect("pad-added", self._stream_came)
        bus = self._pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self._bus_error)

    def start(self):
        """`negotiation_needed` comes of it."""
        self._pipeline.set_state(Gst.State.PLAYING)

    def create(self, kind, then):
        """Makes an offer or an answer, and gives `then` its text."""

        def made(promise, *_):
            # The description lives in the reply: without a name for it, both are gone at once.
            reply = promise.get_reply()
            description = reply.get_value(kind)
            sdp = description.sdp.as_text()
            if self._certificate:
                # webrtcbin asked for the fingerprint before the certificate was set.
                line = f"a=fingerprint:sha-256 {_fingerprint(self._certificate)}"
                sdp = re.sub("a=fingerprint:sha-256 [0-9A-F:]+", line, sdp)
            GLib.idle_add(self._call, then, sdp)

        promise = Gst.Promise.new_with_change_func(made, None)
        self._webrtc.emit(f"create-{kind}", None, promise)

    def set_local(self, kind, sdp):
        """Gathering begins of it."""
        self._webrtc.emit("set-local-description", _description(kind, sdp), None)

    def set_remote(self, kind, sdp, then=None):
        """`then` is called when it is set."""

        def is_set(*_):
            if then is not None:
                GLib.idle_add(self._call, then)

        promise = Gst.Promise.new_with_change_func(is_set, None)
        self._webrtc.emit("set-remote-description", _description(kind, sdp), promise)

    def add_candidate(self, index, candidate):
        self._webrtc.emit("add-ice-candidate", index, candidate)

    def mute(self, muted):
        """As Nheko does it: silence is sent."""
        self._pipeline.get_by_name("microphone").set_property("mute", muted)

    def close(self):
        """Nothing is told after it."""
        self._owner = None
        self._pipeline.get_bus().remove_signal_watch()
        self._pipeline.set_state(Gst.State.NULL)

    def _tell(self, name, *arguments):
        """From any thread."""
        GLib.idle_add(self._tell_now, name, arguments)

    def _tell_now(self, name, arguments):
        if self._owner is not None:
            getattr(self._owner, name)(*arguments)

    def _call(self, then, *arguments):
        if self._owner is not None:
            then(*arguments)

    def _element_added(self, _, __, element):
        # Of itself GStreamer makes an RSA key (gstdtlscertificate.c).
        if self._certificate and element.get_name().startswith("dtlssrtpdec"):
            element.set_property("pem", self._certificate)

    def _gathering(self, webrtc, _):
        state = webrtc.get_property("ice-gathering-state")
        if state == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            self._tell("gathered")

    def _ice(self, webrtc, _):
        self._tell("ice_changed", webrtc.get_property("ice-connection-state").value_nick)

    def _bus_error(self, _, message):
        error, details = message.parse_error()
        self._tell("broken", f"{error.message}: {details}")

    def _stream_came(self, _, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        decoder = Gst.ElementFactory.make("decodebin", None)
        decoder.connect("pad-added", self._sound_came)
        self._pipeline.add(decoder)
        decoder.sync_state_with_parent()
        pad.link(decoder.get_static_pad("sink"))

    def _sound_came(self, _, pad):
        ear = Gst.parse_bin_from_description(
            "queue ! audioconvert ! audioresample"
            f" ! audio/x-raw,format=S16LE,rate={RATE},channels=1"
            " ! appsink name=ear emit-signals=true sync=false",
            True,
        )
        ear.get_by_name("ear").connect("new-sample", self._sample_came)
        self._pipeline.add(ear)
        ear.sync_state_with_parent()
        pad.link(ear.get_static_pad("sink"))
        self._tell("audio_came")

    def _sample_came(self, ear):
        buffer = ear.emit("pull-sample").get_buffer()
        self._sound += buffer.extract_dup(0, buffer.get_size())
        # Two bytes a sample.
        while len(self._sound) >= 2 * RATE:
            second = array.array("h", bytes(self._sound[: 2 * RATE]))
            del self._sound[: 2 * RATE]
            self._tell("heard", *tone.measure(second, RATE))
        return Gst.FlowReturn.OK


def _description(kind, sdp):
    _, message = GstSdp.SDPMessage.new_from_text(sdp)
    return GstWebRTC.WebRTCSessionDescription.new(_TYPES[kind], message)


def _fingerprint(pem):
    """Of the first certificate (RFC 8122)."""
    body = pem.split("-----BEGIN CERTIFICATE-----")[1].split("-----")[0]
    digest = hashlib.sha256(base64.b64decode(body)).digest()
    return ":".join(f"{byte:02X}" for byte in digest)


def audio_of(sdp):
    """The lines of the first audio m-line, without those before it, or nothing."""
    sections = sdp.replace("\r\n", "\n").split("\nm=")[1:]
    audio = [section.split("\n") for section in sections if section.startswith("audio ")]
    return audio[0] if audio else None


def opus_payload_type(sdp):
    """That of the first audio m-line, or nothing."""
    for line in audio_of(sdp) or []:
        if line.startswith("a=rtpmap:") and "opus" in line.lower():
            return int(line[len("a=rtpmap:") :].split()[0])
    return None


def mid_of(sdp):
    return _attribute(sdp, "a=mid:")


def stream_of(sdp):
    """The ID of the media stream that the audio is of, or nothing: where browsers write it, or where webrtcbin does."""
    for line in audio_of(sdp) or []:
        if line.startswith("a=msid:") or (line.startswith("a=ssrc:") and " msid:" in line):
            return line.split("msid:")[1].split()[0]
    return None


def with_stream(sdp):
    """The same description with the stream of its one m-line where browsers write it too."""
    return f"{sdp}a=msid:{stream_of(sdp)} microphone\r\n"


def _attribute(sdp, name):
    for line in audio_of(sdp) or []:
        if line.startswith(name):
            return line[len(name) :]
    return None
