//! Real peers for tests: Synapse, started and stopped by the test, and a UDP forwarder that can cut a path.
