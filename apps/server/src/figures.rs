//! What the server counts, as Prometheus reads it. Sums only: nothing is kept by address or name.

securecall_daemon::figures! {
    "securecall_server":
    /// Connections.
    connections: "gauge" as "connections",
    /// Connections that were closed at once, because there were too many.
    connections_refused: "counter" as "connections_refused_total",
    /// Requests.
    requests: "counter" as "requests_total",
    /// Requests that were refused before anybody looked at them.
    refused_network: "counter" as "refused_total" {"reason=\"network\""},
    /// Requests that were refused before anybody looked at them.
    refused_busy: "counter" as "refused_total" {"reason=\"busy\""},
    /// Requests that were refused before anybody looked at them.
    refused_slow: "counter" as "refused_total" {"reason=\"slow\""},
    /// Challenges.
    challenges: "counter" as "challenges_total",
    /// Answers to challenges.
    enrolled: "counter" as "enrolments_total" {"outcome=\"enrolled\""},
    /// Answers to challenges.
    waiting: "counter" as "enrolments_total" {"outcome=\"waiting\""},
    /// Answers to challenges.
    refused_malformed: "counter" as "enrolments_total" {"outcome=\"malformed\""},
    /// Answers to challenges.
    refused_challenge: "counter" as "enrolments_total" {"outcome=\"challenge_over\""},
    /// Answers to challenges.
    refused_proof: "counter" as "enrolments_total" {"outcome=\"proof_wrong\""},
    /// Answers to challenges.
    refused_policy: "counter" as "enrolments_total" {"outcome=\"not_allowed\""},
    /// Answers to challenges.
    refused_limits: "counter" as "enrolments_total" {"outcome=\"too_many\""},
    /// Answers to challenges.
    unavailable: "counter" as "enrolments_total" {"outcome=\"unavailable\""},
    /// Relay tokens.
    tokens_issued: "counter" as "tokens_total" {"outcome=\"issued\""},
    /// Relay tokens.
    tokens_refused: "counter" as "tokens_total" {"outcome=\"refused\""},
    /// TURN credentials.
    turn_credentials: "counter" as "turn_credentials_total",
    /// Times that the homeserver did not do as it was asked.
    homeserver_failures: "counter" as "failures_total" {"of=\"homeserver\""},
    /// Times that the database did not do as it was asked.
    database_failures: "counter" as "failures_total" {"of=\"database\""},
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_is_introduced_once_and_each_line_has_a_value() {
        let figures = Figures::default();
        figures.enrolled.one();
        let text = figures.text();
        assert!(text.contains("securecall_server_enrolments_total{outcome=\"enrolled\"} 1\n"));
        assert!(text.contains("securecall_server_connections 0\n"));
        for family in text.lines().filter(|line| line.starts_with("# TYPE ")) {
            assert_eq!(text.matches(family).count(), 1, "{family}");
        }
    }
}
