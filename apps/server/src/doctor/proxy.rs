//! Settings of Caddy or nginx that keep a log of requests.

use std::path::Path;

use securecall_daemon::Failure;

use super::finding::{Finding, Place};
use super::nginx;
use super::settings::read_text;

/// Looks at the settings of either.
pub(super) fn check(path: &Path) -> Result<Vec<Finding>, Failure> {
    let text = read_text(path)?;
    if is_nginx(&text) {
        return nginx::check(path, &text, Path::new(nginx::MAIN));
    }
    Ok(caddy(&text))
}

fn is_nginx(text: &str) -> bool {
    lines(text).any(|line| line.ends_with(';'))
}

/// Without comments and white space around.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(|line| {
        let line = line.trim();
        let comment = line.find(" #").unwrap_or(line.len());
        line.get(..comment).unwrap_or_default().trim_end()
    });
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Caddy logs requests where a site has `log`, and errors with the address of who asked unless they are left out.
fn caddy(text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut depth = 0_usize;
    let mut is_global = false;
    let mut leaves_out_errors = false;
    for line in lines(text) {
        let first = line.split_whitespace().next().unwrap_or_default();
        if depth == 0 {
            is_global = line == "{";
        }
        if depth == 1 && !is_global && first == "log" {
            findings.push(Place::Proxy.finding(
                "log",
                "in a site".to_owned(),
                "each request: address, time, path, program; who was called is among it",
                "remove `log` from the site",
            ));
        }
        if is_global && first == "exclude" {
            let out: Vec<&str> = line.split_whitespace().skip(1).collect();
            leaves_out_errors = out.contains(&"http.log.error") || out.contains(&"http.log");
        }
        if line.ends_with('{') {
            depth += 1;
        }
        if line.starts_with('}') {
            depth = depth.saturating_sub(1);
        }
    }
    if !leaves_out_errors {
        findings.push(Place::Proxy.finding(
            "log default",
            "does not leave out http.log.error".to_owned(),
            "the address of whoever asked when something went wrong, and for what",
            "{\n\tlog default {\n\t\texclude http.log.error http.handlers.reverse_proxy\n\t}\n}",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    const CADDY: &str = include_str!("../../templates/caddy/Caddyfile");
    const NGINX: &str = include_str!("../../templates/nginx/securecall.conf");

    fn names(text: &str) -> Vec<String> {
        let findings = caddy(text);
        findings.into_iter().map(|finding| finding.name).collect()
    }

    #[test]
    fn ours_make_no_finding() {
        assert!(is_nginx(NGINX) && !is_nginx(CADDY));
        assert!(names(CADDY).is_empty());
    }

    #[test]
    fn a_site_of_caddy_that_logs_is_found_and_errors_that_are_logged() {
        let text = CADDY.replacen("matrix.<domain> {\n", "matrix.<domain> {\n\tlog\n", 1);
        assert_eq!(names(&text), ["log"]);
        let text = CADDY.replace(
            "\t\texclude http.log.error http.handlers.reverse_proxy\n",
            "",
        );
        assert_eq!(names(&text), ["log default"]);
        assert_eq!(
            names("example.org {\n\treverse_proxy :8008\n}\n"),
            ["log default"]
        );
    }
}
