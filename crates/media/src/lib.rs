//! WebRTC transport, Opus, jitter buffer, send and receive pipelines.
