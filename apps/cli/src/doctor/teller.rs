//! The way from checks that run at the same time to whoever tells of them.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::check::Check;
use super::names::Name;

/// Something about the checks of one name.
#[derive(Debug)]
pub(crate) enum Told {
    /// What came of one.
    Check(Check),
    /// There is no more of this name.
    Complete(Name),
}

/// Takes what comes of checks. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Teller(UnboundedSender<Told>);

/// A way and its end, which is over when all tellers are gone.
pub(crate) fn teller() -> (Teller, UnboundedReceiver<Told>) {
    // What comes is a line for each server that is named, and those are bounded.
    let (sender, receiver) = unbounded_channel();
    (Teller(sender), receiver)
}

impl Teller {
    /// The only check of its name.
    pub(crate) fn tell(&self, check: Check) {
        let name = check.name;
        self.tell_one(check);
        self.complete(name);
    }

    /// One of several of its name.
    pub(crate) fn tell_one(&self, check: Check) {
        // Whoever does not listen any more has ended.
        let _ = self.0.send(Told::Check(check));
    }

    /// There are no more of this name.
    pub(crate) fn complete(&self, name: Name) {
        let _ = self.0.send(Told::Complete(name));
    }

    /// None of these could be checked.
    pub(crate) fn cannot(&self, names: &[Name], why: &str) {
        for name in names {
            self.tell(Check::not_checked(*name, why));
        }
    }
}
