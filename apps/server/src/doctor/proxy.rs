//! Settings of Caddy or nginx that keep a log of requests.

use std::path::Path;

use securecall_daemon::Failure;

use super::finding::{Finding, Place};
use super::settings::read_text;

/// Looks at the settings of either.
pub(super) fn check(path: &Path) -> Result<Vec<Finding>, Failure> {
    let text = read_text(path)?;
    Ok(if is_nginx(&text) {
        nginx(&text)
    } else {
        caddy(&text)
    })
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

fn finding(name: &str, found: String, keeps: &str, change: &str) -> Finding {
    Finding {
        place: Place::Proxy,
        name: name.to_owned(),
        found,
        keeps: keeps.to_owned(),
        change: change.to_owned(),
    }
}

/// nginx logs each request unless a block, or one around it, says otherwise.
fn nginx(text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    // What holds in each open block, from the outermost in: is the log of requests off, is that of errors quiet.
    let mut open = vec![Block::default()];
    for line in lines(text) {
        let words: Vec<&str> = line
            .trim_end_matches([';', '{'])
            .split_whitespace()
            .collect();
        match words.as_slice() {
            ["access_log", "off"] => innermost(&mut open).access_off = true,
            ["access_log", place, ..] => {
                innermost(&mut open).access_off = true;
                findings.push(access_log(format!("to {place}")));
            }
            ["error_log", place, level @ ..] => {
                let is_quiet = *place == "/dev/null" || level.first() == Some(&"emerg");
                innermost(&mut open).errors_quiet = is_quiet;
            }
            _ => {}
        }
        if line.ends_with('{') {
            let around = innermost(&mut open).clone();
            let is_server = words.first() == Some(&"server");
            open.push(Block {
                is_server,
                ..around
            });
        }
        if line.starts_with('}')
            && open.len() > 1
            && let Some(block) = open.pop()
            && block.is_server
        {
            if !block.access_off {
                findings.push(access_log(
                    "not set, which is a file in /var/log/nginx".to_owned(),
                ));
            }
            if !block.errors_quiet {
                findings.push(finding(
                    "error_log",
                    "says more than emerg".to_owned(),
                    "the address of whoever asked when something went wrong, and for what",
                    "error_log stderr emerg;",
                ));
            }
        }
    }
    findings
}

#[derive(Clone, Debug, Default)]
struct Block {
    is_server: bool,
    access_off: bool,
    errors_quiet: bool,
}

/// The list is never empty: what closes was opened.
fn innermost(open: &mut Vec<Block>) -> &mut Block {
    if open.is_empty() {
        open.push(Block::default());
    }
    let last = open.len() - 1;
    &mut open[last]
}

fn access_log(found: String) -> Finding {
    finding(
        "access_log",
        found,
        "each request: address, time, path, program; who was called is among it",
        "access_log off;",
    )
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
            findings.push(finding(
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
        findings.push(finding(
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
        let findings = if is_nginx(text) {
            nginx(text)
        } else {
            caddy(text)
        };
        findings.into_iter().map(|finding| finding.name).collect()
    }

    #[test]
    fn ours_make_no_finding() {
        assert!(is_nginx(NGINX) && !is_nginx(CADDY));
        assert!(names(NGINX).is_empty() && names(CADDY).is_empty());
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

    #[test]
    fn each_server_of_nginx_must_be_quiet() {
        let at = NGINX
            .match_indices("    access_log off;\n")
            .map(|(at, _)| at);
        let at: Vec<usize> = at.collect();
        assert_eq!(at.len(), 3);
        for at in at {
            let mut text = NGINX.to_owned();
            text.replace_range(at..at + "    access_log off;\n".len(), "");
            assert_eq!(names(&text), ["access_log"]);
        }
        assert_eq!(
            names(&NGINX.replacen("access_log off;", "access_log /x;", 1)),
            ["access_log"]
        );
        assert_eq!(
            names(&NGINX.replacen("stderr emerg", "stderr warn", 1)),
            ["error_log"]
        );
    }

    #[test]
    fn what_is_said_around_servers_holds_in_them() {
        let text = "http {\n  access_log off;\n  error_log /dev/null;\n  server {\n    listen 80;\n  }\n}\n";
        assert!(names(text).is_empty());
        assert_eq!(
            names("server {\n  listen 80;\n}\n"),
            ["access_log", "error_log"]
        );
        // Braces that do not fit are no reason to fall over.
        assert!(names("}\n}\nlisten 80;\n").is_empty());
    }
}
