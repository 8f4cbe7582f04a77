//! What is checked, in the order in which it is told.

/// Makes [`Name`] with what scripts and people call each check. `docs/cli.md` lists them.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident => $text:literal;)+) => {
        /// A check, or all of one kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Name {
            $($(#[$doc])* $name,)+
        }

        impl Name {
            /// All, in the order in which they are told.
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name in events.
            pub(crate) const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

names! {
    /// Nobody else can look into the profile's directory.
    Profile => "profile";
    /// The settings are valid.
    Config => "config";
    /// The profile opens, and has an identity.
    Identity => "identity";
    /// It has an account, whose store opens.
    Account => "account";
    /// The homeserver answers.
    Homeserver => "homeserver";
    /// This machine's clock and the homeserver's agree.
    Clock => "clock";
    /// The homeserver takes the login.
    Login => "login";
    /// The homeserver tells others our keys.
    DeviceKeys => "device_keys";
    /// The homeserver has one-time keys to give out.
    OneTimeKeys => "one_time_keys";
    /// A message to ourselves comes back.
    RoundTrip => "round_trip";
    /// Who names STUN and TURN servers, and for how long their credentials last.
    Relays => "relays";
    /// One STUN server, at one address.
    Stun => "stun";
    /// One TURN server, over one transport, at one address.
    Relay => "relay";
    /// Who lists relays of GhostNet, for how long that is good, and whether two go together.
    GhostNet => "ghostnet";
    /// One relay of GhostNet.
    GhostNetRelay => "ghostnet_relay";
    /// Tokens of one issuer, and the issuer.
    GhostNetTokens => "ghostnet_tokens";
    /// How the NATs behave that this machine is behind.
    Nat => "nat";
    /// Whether this machine has an IPv6 address that others reach.
    Ipv6 => "ipv6";
    /// The microphone delivers sound.
    Microphone => "microphone";
    /// The speaker takes sound.
    Speaker => "speaker";
    /// A click on a contact link opens this program.
    LinkHandler => "link_handler";
}

impl Name {
    /// What people read.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Ipv6 => "IPv6".to_owned(),
            Self::Nat => "NAT".to_owned(),
            Self::Stun => "STUN server".to_owned(),
            Self::Relay => "TURN server".to_owned(),
            Self::Relays => "servers for calls".to_owned(),
            Self::GhostNet => "GhostNet".to_owned(),
            Self::GhostNetRelay => "GhostNet relay".to_owned(),
            Self::GhostNetTokens => "GhostNet tokens".to_owned(),
            other => other.as_str().replace('_', " "),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_is_in_the_manual() {
        let manual = include_str!("../../../../docs/cli.md");
        for name in Name::ALL {
            let row = format!("| `{}` |", name.as_str());
            assert!(manual.contains(&row), "docs/cli.md lacks: {row}");
        }
    }
}
