//! What the relay counts, as Prometheus reads it. Sums only: nothing is kept by address, network or token.

securecall_daemon::figures! {
    "securecall_relay":
    /// Handshakes that are under way.
    half_open: "gauge" as "half_open",
    /// QUIC connections.
    connections: "gauge" as "connections",
    /// Flows.
    entry_flows: "gauge" as "flows" {"role=\"entry\""},
    /// Flows.
    exit_flows: "gauge" as "flows" {"role=\"exit\""},
    /// Flows that were opened.
    entry_opened: "counter" as "flows_opened_total" {"role=\"entry\""},
    /// Flows that were opened.
    exit_opened: "counter" as "flows_opened_total" {"role=\"exit\""},
    /// Packets carried.
    packets_from_clients: "counter" as "packets_total" {"from=\"client\""},
    /// Packets carried.
    packets_to_clients: "counter" as "packets_total" {"from=\"outside\""},
    /// Bytes in packets carried.
    bytes_from_clients: "counter" as "bytes_total" {"from=\"client\""},
    /// Bytes in packets carried.
    bytes_to_clients: "counter" as "bytes_total" {"from=\"outside\""},
    /// Packets that were dropped.
    dropped_rate: "counter" as "dropped_total" {"reason=\"rate\""},
    /// Packets that were dropped.
    dropped_not_allowed: "counter" as "dropped_total" {"reason=\"not_allowed\""},
    /// Packets that were dropped.
    dropped_malformed: "counter" as "dropped_total" {"reason=\"malformed\""},
    /// Packets that were dropped.
    dropped_no_flow: "counter" as "dropped_total" {"reason=\"no_flow\""},
    /// Packets that were dropped.
    dropped_not_sent: "counter" as "dropped_total" {"reason=\"not_sent\""},
    /// Handshakes that were asked to prove their address, dropped or refused.
    handshakes_retried: "counter" as "handshakes_held_back_total" {"how=\"retry\""},
    /// Handshakes that were asked to prove their address, dropped or refused.
    handshakes_ignored: "counter" as "handshakes_held_back_total" {"how=\"ignored\""},
    /// Handshakes that were asked to prove their address, dropped or refused.
    handshakes_refused: "counter" as "handshakes_held_back_total" {"how=\"refused\""},
    /// Handshakes that failed or took too long.
    handshakes_failed: "counter" as "handshakes_failed_total",
    /// Connections that were closed for sending more than a relay reads.
    greedy_connections: "counter" as "greedy_connections_total",
    /// Requests that were refused.
    refused_malformed: "counter" as "refused_total" {"status=\"400\""},
    /// Requests that were refused.
    refused_unauthorized: "counter" as "refused_total" {"status=\"401\""},
    /// Requests that were refused.
    refused_forbidden: "counter" as "refused_total" {"status=\"403\""},
    /// Requests that were refused.
    refused_too_many: "counter" as "refused_total" {"status=\"429\""},
    /// Requests that were refused.
    refused_unavailable: "counter" as "refused_total" {"status=\"503\""},
    /// Tokens that came a second time.
    tokens_replayed: "counter" as "tokens_replayed_total",
    /// Tokens that are remembered as spent.
    tokens_remembered: "gauge" as "tokens_remembered",
    /// How often the tokens that were spent could not be written down.
    spent_not_stored: "counter" as "spent_tokens_not_stored_total",
    /// When the relay directory expires: seconds since 1970, 0 without one.
    directory_not_after: "gauge" as "directory_not_after_seconds",
    /// 1 while the relay takes no new flows because it is to stop.
    draining: "gauge" as "draining",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_is_introduced_once_and_each_line_has_a_value() {
        let figures = Figures::default();
        figures.exit_flows.add(3);
        let text = figures.text();
        assert!(text.contains("securecall_relay_flows{role=\"exit\"} 3\n"));
        assert!(text.contains("securecall_relay_flows{role=\"entry\"} 0\n"));
        assert!(text.contains("securecall_relay_half_open 0\n"));
        for family in text.lines().filter(|line| line.starts_with("# TYPE ")) {
            assert_eq!(text.matches(family).count(), 1, "{family}");
        }
    }
}
