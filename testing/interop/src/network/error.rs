use std::io;

/// Why a network, or a part of it, could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A program that builds networks is not installed.
    #[error(
        "networks for tests need `{program}`; on Debian and Ubuntu: apt-get install {package}, or `cargo xtask setup`"
    )]
    Missing {
        /// What it is called.
        program: &'static str,
        /// The Debian package that brings it.
        package: &'static str,
    },
    /// The system lets only root make network namespaces, and this process is not root.
    #[error(
        "networks for tests need root (CAP_SYS_ADMIN and CAP_NET_ADMIN): {0}. Where users may have namespaces of their \
         own, this does too: unshare --user --map-root-user --mount --net sh -c 'mount -t tmpfs none /run && cargo test …'"
    )]
    NotPermitted(String),
    /// A program said no: the kernel may lack something.
    #[error("`{command}` failed: {said}")]
    Command {
        /// The program with its arguments.
        command: String,
        /// What it was given to read, and what it wrote about it.
        said: String,
    },
    /// A file, a socket or a process.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// A host with IPv6 only cannot be in a network that has only IPv4.
    #[error("the host and the network have no version of IP in common")]
    NoCommonAddressFamily,
    /// Each network has as many addresses as fit into a /24.
    #[error("the network has no address left")]
    NoAddressLeft,
    /// The [`Network`](super::Network) was dropped before this.
    #[error("the network is torn down already")]
    TornDown,
}

impl NetworkError {
    /// For `map_err`: an error of the system while we tried `what`.
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let what = what.into();
        move |source| Self::Io { what, source }
    }
}
