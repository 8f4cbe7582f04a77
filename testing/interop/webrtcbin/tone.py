"""What a second of sound is: how loud, of which pitch, and how much of it is that pitch."""

import cmath
import math

# At 8 kHz: bins of 3.9 Hz, between which the shape of the peak tells where it is.
WINDOW = 2048


def measure(samples, rate):
    """Frequency in Hz, level (RMS, 1 is full scale) and purity: the share of the energy that is at the frequency."""
    level = math.sqrt(sum(value * value for value in samples) / len(samples)) / 32768
    start = (len(samples) - WINDOW) // 2
    # Hann's window: a tone between two bins stays a narrow peak.
    windowed = [
        samples[start + i] * (0.5 - 0.5 * math.cos(2 * math.pi * i / WINDOW))
        for i in range(WINDOW)
    ]
    powers = [abs(value) ** 2 for value in _transform(windowed)[1 : WINDOW // 2]]
    total = sum(powers)
    peak = max(range(1, len(powers) - 1), key=lambda i: powers[i])
    if total == 0 or powers[peak] == 0:
        return 0.0, level, 0.0
    low, high, wide = (math.log(max(powers[peak + i], 1e-9)) for i in (-1, 0, 1))
    # The top of the parabola through the three logarithms.
    offset = 0.5 * (low - wide) / (low - 2 * high + wide)
    # The first power is that of bin 1.
    hertz = (peak + 1 + offset) * rate / WINDOW
    return hertz, level, sum(powers[max(peak - 3, 0) : peak + 4]) / total


def _transform(values):
    """The discrete Fourier transform of as many values as a power of two."""
    if len(values) == 1:
        return values
    even, odd = _transform(values[::2]), _transform(values[1::2])
    turned = [
        value * cmath.exp(-2j * math.pi * k / len(values)) for k, value in enumerate(odd)
    ]
    return [a + b for a, b in zip(even, turned)] + [a - b for a, b in zip(even, turned)]
