//! Microphones and speakers: sound card, WAV, raw PCM, tone, null.
