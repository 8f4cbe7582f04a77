//! What calls are told apart by: a handle on this device, and an ID between the two ends.

use std::fmt;

use securecall_signaling::WireCallId;

/// Tells the calls of one endpoint apart. It is a count and nothing else: no peer has a say in it, and no call gets one that
/// another has had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallHandle(u64);

/// Gives out the handles of one endpoint.
#[derive(Debug, Default)]
pub struct CallHandles {
    last: u64,
}

impl CallHandles {
    /// One that was not given out before.
    pub const fn issue(&mut self) -> CallHandle {
        self.last += 1;
        CallHandle(self.last)
    }
}

/// A call as it is told of. Shown as its ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCall {
    /// By which orders about it are given.
    pub handle: CallHandle,
    /// By which both ends know it. Chosen by whoever called.
    pub id: WireCallId,
}

impl fmt::Display for NamedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_handle_is_given_out_twice() {
        let mut handles = CallHandles::default();
        let (first, second) = (handles.issue(), handles.issue());
        assert!(first < second);
    }

    #[test]
    fn a_call_is_shown_as_the_id_that_both_ends_know() {
        let call = NamedCall {
            handle: CallHandles::default().issue(),
            id: WireCallId::parse("call-1").unwrap(),
        };
        assert_eq!(call.to_string(), "call-1");
    }
}
