"""Scores pairs of WAV files, 16 kHz mono 16 bit: what was said, what was heard. Pairs of paths come as arguments; a JSON array
with an object for each goes to standard output. A pair that PESQ finds no speech in has no score (`null`)."""

import json
import sys
import wave

import numpy
from pesq import NoUtterancesError, pesq
from speechmos import plcmos

RATE = 16000


def read(path: str) -> numpy.ndarray:
    with wave.open(path) as file:
        shape = (file.getnchannels(), file.getsampwidth(), file.getframerate())
        if shape != (1, 2, RATE):
            raise ValueError(f"{path} is {shape}")
        return numpy.frombuffer(file.readframes(file.getnframes()), "<i2").astype(numpy.float32) / 32768.0


def pesq_wideband(reference: numpy.ndarray, degraded: numpy.ndarray) -> float | None:
    try:
        return float(pesq(RATE, reference, degraded, "wb"))
    except NoUtterancesError:
        return None


def plc_mos(degraded: numpy.ndarray) -> float:
    # The model listens as fifteen people whom NumPy's global generator makes up.
    numpy.random.seed(1)
    return float(plcmos.run(degraded, RATE)["plcmos"])


def main() -> None:
    paths = sys.argv[1:]
    scores = []
    for reference, degraded in zip(paths[::2], paths[1::2], strict=True):
        said, heard = read(reference), read(degraded)
        scores.append({"pesq": pesq_wideband(said, heard), "plcmos": plc_mos(heard)})
    json.dump(scores, sys.stdout)


main()
