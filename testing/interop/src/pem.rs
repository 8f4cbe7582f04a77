//! DER as text.

use data_encoding::BASE64;

/// Bytes as PEM (RFC 7468).
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let lines = base64_lines(der);
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

/// What stands between the first and the last line.
pub(crate) fn base64_lines(bytes: &[u8]) -> String {
    let body = BASE64.encode(bytes);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .filter_map(|line| std::str::from_utf8(line).ok())
        .collect();
    lines.join("\n")
}
