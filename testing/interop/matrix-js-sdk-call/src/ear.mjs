// What is heard of a call: when it begins, and which tone it is.

import { audioContext } from "./voice.mjs";

/** Louder than the noise that a codec makes of silence. */
const SOUND = 0.01;

const listener = `registerProcessor("listener", class extends AudioWorkletProcessor {
  process([[samples]]) {
    const heard = samples?.some((sample) => Math.abs(sample) > ${SOUND});
    if (heard) this.port.postMessage(true);
    return !heard;
  }
});`;
const ready = audioContext.audioWorklet.addModule(URL.createObjectURL(new Blob([listener], { type: "text/javascript" })));

/** Unix time in ms, with fractions. */
export const now = () => performance.timeOrigin + performance.now();

/** The ears of one call. */
export class Ear {
  analyser = new AnalyserNode(audioContext, { fftSize: 16384, smoothingTimeConstant: 0 });
  firstPacket = null;
  firstSound = null;
  #changed;

  constructor(peerConnection, changed) {
    this.#changed = changed;
    peerConnection.addEventListener("track", ({ track, receiver }) => {
      if (track.kind === "audio") this.#listen(track, receiver);
    });
  }

  async #listen(track, receiver) {
    this.#awaitPacket(receiver);
    const stream = new MediaStream([track]);
    // Chromium decodes only what an element plays.
    this.element = Object.assign(new Audio(), { srcObject: stream, muted: true });
    this.element.play().catch(() => {});
    const source = audioContext.createMediaStreamSource(stream);
    source.connect(this.analyser);
    await ready;
    const worklet = new AudioWorkletNode(audioContext, "listener", { numberOfOutputs: 0 });
    worklet.port.onmessage = () => {
      this.firstSound ??= now();
      this.#changed();
    };
    source.connect(worklet);
  }

  /** Statistics are made anew only every 50 ms, so the first packet is reckoned from the last one and their number: one comes
   * every 20 ms. */
  async #awaitPacket(receiver) {
    while (this.firstPacket === null && receiver.track.readyState === "live") {
      const inbound = [...(await receiver.getStats()).values()].find(({ type }) => type === "inbound-rtp");
      if (inbound?.packetsReceived > 0) {
        this.firstPacket = inbound.lastPacketReceivedTimestamp - 20 * (inbound.packetsReceived - 1);
        this.#changed();
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** The loudest frequency of the last third of a second, and its level in dB of full scale. */
  heard() {
    const bins = new Float32Array(this.analyser.frequencyBinCount);
    this.analyser.getFloatFrequencyData(bins);
    // Nothing of a voice is below 50 Hz.
    const lowest = Math.ceil((50 * this.analyser.fftSize) / audioContext.sampleRate);
    let loudest = lowest;
    for (let i = lowest; i < bins.length; i++) if (bins[i] > bins[loudest]) loudest = i;
    return {
      hertz: (loudest * audioContext.sampleRate) / this.analyser.fftSize,
      // Digital silence is at minus infinity, which JSON does not have.
      level: Math.max(bins[loudest], -200),
    };
  }
}
