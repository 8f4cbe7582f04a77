// What a device's microphone and camera give: a tone of its own, and a canvas that changes.

const context = new AudioContext();
const oscillator = new OscillatorNode(context);
const voice = new GainNode(context, { gain: 0.25 });
oscillator.connect(voice);
oscillator.start();

/** The clock of everything that is heard and said. */
export const audioContext = context;

/** The tone, in Hz. */
export function speak(hertz) {
  oscillator.frequency.value = hertz;
}

function microphone() {
  const track = new MediaStreamAudioDestinationNode(context, { channelCount: 1 });
  voice.connect(track);
  return track.stream.getAudioTracks();
}

function camera() {
  const canvas = Object.assign(document.createElement("canvas"), { width: 64, height: 48 });
  const picture = canvas.getContext("2d");
  let shade = 0;
  const timer = setInterval(() => {
    shade = (shade + 32) % 256;
    picture.fillStyle = `rgb(${shade},128,128)`;
    picture.fillRect(0, 0, 64, 48);
    if (track.readyState === "ended") clearInterval(timer);
  }, 200);
  const [track] = canvas.captureStream(5).getVideoTracks();
  return [track];
}

navigator.mediaDevices.enumerateDevices = async () =>
  ["audioinput", "videoinput", "audiooutput"].map((kind) => ({ kind, deviceId: kind, groupId: "", label: kind }));
navigator.mediaDevices.getUserMedia = async ({ audio, video }) =>
  new MediaStream([...(audio ? microphone() : []), ...(video ? camera() : [])]);
