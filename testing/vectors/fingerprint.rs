// How tests read `fingerprint.json`; included by those of each crate that reads fingerprints, which are held to the same
// cases and import nothing of each other.

/// One description, and what is to be read from it.
struct FingerprintCase {
    /// What the case is about.
    says: String,
    sdp: String,
    /// The fingerprint in lower-case hex; `None` if the description is to be refused.
    digest: Option<String>,
}

fn fingerprint_cases() -> Vec<FingerprintCase> {
    let json = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../testing/vectors/fingerprint.json"
    ));
    let vectors: serde_json::Value = serde_json::from_str(json).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let case = |case: &serde_json::Value| FingerprintCase {
        says: text(&case["says"]),
        sdp: format!(
            "{}{}{}",
            text(&vectors["before"]),
            text(&case["lines"]),
            text(&vectors["after"])
        ),
        digest: case["digest"].as_str().map(str::to_owned),
    };
    vectors["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(case)
        .collect()
}
