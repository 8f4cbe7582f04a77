//! Which flow a datagram of a connection is of.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf as _, Bytes};
use quinn::{Connection, VarInt};
use securecall_relay::masque::varint;

use super::datagram_queue::DatagramQueue;

/// The flows of a connection, by quarter stream ID.
#[derive(Debug, Default)]
pub(super) struct Flows(Mutex<BTreeMap<u64, Arc<DatagramQueue>>>);

impl Flows {
    /// Datagrams of a request's stream are kept from now on, until this is dropped.
    pub(super) fn add(self: &Arc<Self>, stream: VarInt) -> FlowEntry {
        let quarter_stream_id = stream.into_inner() / 4;
        let queue = Arc::new(DatagramQueue::new());
        self.flows().insert(quarter_stream_id, Arc::clone(&queue));
        FlowEntry {
            flows: Arc::clone(self),
            quarter_stream_id,
            queue,
        }
    }

    /// Reads datagrams for as long as the connection lives.
    pub(super) async fn read(self: Arc<Self>, quic: Connection) {
        while let Ok(datagram) = quic.read_datagram().await {
            self.deliver(datagram);
        }
    }

    /// What is of no flow, or of none any more, is nobody's (RFC 9297 section 2.1).
    fn deliver(&self, mut datagram: Bytes) {
        let Some((quarter_stream_id, contents)) = varint::read(&datagram) else {
            return;
        };
        let header = datagram.len() - contents.len();
        if let Some(queue) = self.flows().get(&quarter_stream_id) {
            datagram.advance(header);
            queue.push(datagram);
        }
    }

    fn flows(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<DatagramQueue>>> {
        // No code panics while it holds this.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A flow whose datagrams are kept.
#[derive(Debug)]
pub(super) struct FlowEntry {
    flows: Arc<Flows>,
    quarter_stream_id: u64,
    pub(super) queue: Arc<DatagramQueue>,
}

impl Drop for FlowEntry {
    fn drop(&mut self) {
        self.flows.flows().remove(&self.quarter_stream_id);
    }
}
