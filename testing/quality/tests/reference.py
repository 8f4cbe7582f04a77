#!/usr/bin/env python3
"""Prints the reference values of tests/it/stoi_reference.rs. Needs `pip install pystoi numpy`."""

import wave
from pathlib import Path

import numpy as np
from pystoi import stoi

SPEECH = Path(__file__).parent / "../../speech"


def read(name):
    with wave.open(str(SPEECH / name)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768.0


def noise(length):
    """A linear congruential generator, so that the test can make the same noise."""
    state, out = 1, np.empty(length)
    for i in range(length):
        state = (state * 1664525 + 1013904223) % 2**32
        out[i] = (state >> 8) / 2**24 - 0.5
    return out


def gaps(samples, on, period):
    return np.where(np.arange(len(samples)) % period < on, samples, 0.0)


a, b = read("a.wav"), read("b.wav")
length = min(len(a), len(b))
print("same", stoi(a, a, 16000))
for gain in (0.01, 0.05, 0.2, 1.0):
    print("noise", gain, stoi(a, a + gain * noise(len(a)), 16000))
print("clipped", stoi(b, np.clip(b, -0.05, 0.05), 16000))
print("gaps", stoi(b, gaps(b, 1280, 1600), 16000))
print("other voice", stoi(a[:length], b[:length], 16000))
print("as 48 kHz", stoi(a, a + 0.2 * noise(len(a)), 48000))
print("late", stoi(b[160:], b[:-160], 16000))
