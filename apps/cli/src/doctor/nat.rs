//! How the NATs behave that this machine is behind, in plain words.

use securecall_driver::probe::{
    Evidence, FilteringBehavior, MappingBehavior, NatBehavior, NatFinding, NatReport,
};

use super::check::Check;
use super::names::Name;

/// What servers have shown of the NATs in between. It is well whatever they are like: calls find their way, some by a relay.
pub(super) fn nat(report: &NatReport) -> Check {
    let NatReport { ipv4, ipv6 } = report;
    let parts: Vec<String> = [("IPv4", ipv4), ("IPv6", ipv6)]
        .into_iter()
        .filter_map(|(version, finding)| match finding {
            NatFinding::Behavior(behavior) => Some(format!("{version}: {}", words(behavior))),
            NatFinding::NoAnswer => Some(format!("{version}: no server answers over UDP")),
            NatFinding::NoServer | NatFinding::NoRoute => None,
        })
        .collect();
    let behaviors: Vec<&NatBehavior> = [ipv4, ipv6]
        .into_iter()
        .filter_map(|finding| match finding {
            NatFinding::Behavior(behavior) => Some(behavior),
            _ => None,
        })
        .collect();
    if behaviors.is_empty() {
        let why = match parts.is_empty() {
            true => "there is no STUN or TURN server over UDP that could be asked".to_owned(),
            false => parts.join("; "),
        };
        return Check::not_checked(Name::Nat, why);
    }
    let check = Check::good(Name::Nat, parts.join("; "));
    match behaviors.iter().any(|it| needs_relay(it)) {
        true => check.hint(
            "calls between two people behind such a NAT need a relay, and so do calls with somebody behind a strict one: have a TURN server named (docs/networks.md)",
        ),
        false => check,
    }
}

fn needs_relay(behavior: &NatBehavior) -> bool {
    matches!(
        behavior.mapping,
        Some(
            MappingBehavior::AddressDependent
                | MappingBehavior::AddressAndPortDependent
                | MappingBehavior::Dependent
        )
    )
}

fn words(behavior: &NatBehavior) -> String {
    let NatBehavior {
        has_nat,
        mapping,
        filtering,
        evidence,
        mapped,
        socket: _,
        hairpin: _,
    } = behavior;
    if !has_nat {
        return match filtering {
            None => "no NAT; whether a firewall is in the way is not shown".to_owned(),
            Some(FilteringBehavior::EndpointIndependent) => {
                "no NAT; everybody reaches this machine directly".to_owned()
            }
            Some(filtering) => format!("no NAT, but a firewall that {}", lets_in(*filtering)),
        };
    }
    let outside = mapped.ip();
    let kind = match mapping {
        Some(MappingBehavior::EndpointIndependent) => {
            "a NAT that shows the same address to everybody, so that most calls go directly"
        }
        Some(
            MappingBehavior::AddressDependent
            | MappingBehavior::AddressAndPortDependent
            | MappingBehavior::Dependent,
        ) => "a symmetric NAT, which shows another address to everybody",
        None => match evidence {
            Evidence::OneServer => "a NAT; one server alone cannot show of which kind",
            _ => "a NAT; of which kind these servers cannot show",
        },
    };
    match filtering {
        Some(filtering) => format!("{kind}, and {} (outside: {outside})", lets_in(*filtering)),
        None => format!("{kind} (outside: {outside})"),
    }
}

fn lets_in(filtering: FilteringBehavior) -> &'static str {
    match filtering {
        FilteringBehavior::EndpointIndependent => "lets everybody in",
        FilteringBehavior::AddressDependent => "lets in hosts that were sent to before",
        FilteringBehavior::AddressAndPortDependent => {
            "lets in only the very ports that were sent to before"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn behavior(
        mapping: Option<MappingBehavior>,
        filtering: Option<FilteringBehavior>,
    ) -> NatBehavior {
        NatBehavior {
            socket: "10.0.0.2:4000".parse().unwrap(),
            mapped: "192.0.2.7:4000".parse().unwrap(),
            has_nat: true,
            mapping,
            filtering,
            hairpin: None,
            evidence: Evidence::OneServer,
        }
    }

    fn told(ipv4: NatFinding, ipv6: NatFinding) -> (String, bool) {
        let check = nat(&NatReport { ipv4, ipv6 });
        let (words, help) = check.words();
        (words, help.is_some())
    }

    #[test]
    fn who_needs_a_relay_is_told_so() {
        let symmetric = behavior(Some(MappingBehavior::AddressAndPortDependent), None);
        let (words, has_hint) = told(NatFinding::Behavior(symmetric), NatFinding::NoServer);
        assert_eq!(
            words,
            "IPv4: a symmetric NAT, which shows another address to everybody (outside: 192.0.2.7)"
        );
        assert!(has_hint);
        let friendly = behavior(
            Some(MappingBehavior::EndpointIndependent),
            Some(FilteringBehavior::AddressDependent),
        );
        let (words, has_hint) = told(NatFinding::Behavior(friendly), NatFinding::NoRoute);
        assert!(words.contains("most calls go directly"), "{words}");
        assert!(words.contains("lets in hosts that were sent to"), "{words}");
        assert!(!has_hint);
    }

    #[test]
    fn what_cannot_be_known_is_not_guessed() {
        let (words, _) = told(NatFinding::NoServer, NatFinding::NoRoute);
        assert!(
            words.starts_with("not checked: there is no STUN"),
            "{words}"
        );
        let (words, _) = told(NatFinding::NoAnswer, NatFinding::NoRoute);
        assert_eq!(words, "not checked: IPv4: no server answers over UDP");
        let one = NatFinding::Behavior(behavior(None, None));
        let (words, has_hint) = told(one, NatFinding::NoServer);
        assert!(words.contains("one server alone") && !has_hint, "{words}");
        let open = NatBehavior {
            has_nat: false,
            ..behavior(None, None)
        };
        let walled = NatBehavior {
            filtering: Some(FilteringBehavior::AddressAndPortDependent),
            ..open
        };
        let (words, _) = told(NatFinding::Behavior(open), NatFinding::Behavior(walled));
        assert_eq!(
            words,
            "IPv4: no NAT; whether a firewall is in the way is not shown; IPv6: no NAT, but a firewall that lets in only the very ports that were sent to before"
        );
    }
}
