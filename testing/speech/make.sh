#!/bin/sh
# Makes the speech of the tests and of the demo anew: two synthetic voices, 16 kHz, mono, 16 bit.
# Needs Debian's flite, espeak-ng and sox. The results are committed, so that nobody needs to run this.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

flite -voice slt -o "$work/a.wav" -t "Good morning. The birch canoe slid on the smooth planks. \
Glue the sheet to the dark blue background. It is easy to tell the depth of a well."
espeak-ng -v en-gb -s 150 -w "$work/b.wav" "Hello there. Four hours of steady work faced us. \
The boy was there when the sun rose, and a rod is used to catch pink salmon."

# Half a second of silence at either end, a common level, no dither: the same bytes every time.
for voice in a b; do
    sox -D "$work/$voice.wav" -r 16000 -c 1 -b 16 "$voice.wav" pad 0.5 0.5 gain -n -3
done
