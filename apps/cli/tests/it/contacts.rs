//! `contact share`, `contact add`, `contact list`, `contact remove`, and whom WHO means.

use serde_json::Value;

use crate::command::{Machine, expect};

const A: &str = "dwh7yhpeczjmx27pyrum4upg6dijl4dh73oumwbvbxr5kvjc2qjnvnab";
const OLDER: &str = "HY_8HeQWUsvr78RozlHm8NCV8Gf-3UZYNQ3j1VUi1BI";

#[derive(serde::Deserialize)]
struct Vectors {
    invalid_ids: Vec<Invalid>,
    invalid_matrix_ids: Vec<Invalid>,
    invalid_links: Vec<Invalid>,
}

#[derive(serde::Deserialize)]
struct Invalid {
    what: String,
    text: String,
    error: Value,
}

#[test]
fn a_contact_is_shared_added_listed_and_removed() {
    let (ada, ada_id) = Machine::with_identity();
    let (bo, _) = Machine::with_identity();
    let link = ada.json(&["contact", "share", "--name", "Ada L"]).remove(0);
    assert_eq!(
        link["deep_link"],
        format!("securecall://contact/{ada_id}?name=Ada%20L")
    );
    assert_eq!(
        link["https"],
        format!("https://stealthx.tech/add/#{ada_id}?name=Ada%20L")
    );

    // The whole text as it was sent holds one contact.
    let added = bo.json(&["contact", "add", link["text"].as_str().unwrap()]);
    assert_eq!(added.len(), 1);
    assert_eq!(added[0]["event"], "contact");
    assert_eq!(added[0]["name"], "Ada L");
    assert_eq!(added[0]["id"], ada_id);
    assert_eq!(added[0]["matrix_id"], format!("@sc_{ada_id}:stealthx.tech"));
    assert_eq!(added[0]["link"], link["deep_link"]);
    assert_eq!(added[0]["verified"], false);

    assert_eq!(
        bo.run(&["contact", "list"]).stdout,
        format!("Ada L\t@sc_{ada_id}:stealthx.tech\t{ada_id}\tnot verified\n")
    );
    let removed = bo.json(&["contact", "remove", "ada l"]);
    assert_eq!(removed[0]["id"], ada_id);
    let none = bo.json(&["contact", "list"]);
    assert_eq!(
        (none.len(), &none[0]["event"], &none[0]["count"]),
        (1, &Value::from("contacts"), &Value::from(0))
    );
    expect(
        bo.refused(&["contact", "remove", "Ada L"]),
        2,
        "unknown_contact",
    );
}

#[test]
fn every_form_of_an_address_adds_the_same_contact() {
    let (machine, _) = Machine::with_identity();
    let upper = A.to_uppercase();
    let forms = [
        A.to_owned(),
        OLDER.to_owned(),
        format!("SECURECALL://CONTACT/{upper}"),
        format!("https://example.org/add/#{A}"),
        format!("https://example.org/add/{A}"),
        format!("@sc_{A}:stealthx.tech"),
    ];
    for form in &forms {
        let added = machine.json(&["contact", "add", form]);
        assert_eq!(added[0]["id"], A, "{form}");
        assert_eq!(added[0]["name"], &A[..8], "{form}");
    }
    assert_eq!(machine.json(&["contact", "list"]).len(), 1);
}

#[test]
fn a_missing_name_comes_from_the_label_or_the_account_and_a_taken_one_gets_a_number() {
    let (machine, _) = Machine::with_identity();
    let names = |arguments: &[&str]| -> Vec<String> {
        let events = machine.json(&[&["contact", "add"], arguments].concat());
        events
            .iter()
            .map(|event| event["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let first = format!("securecall://contact/{A}?name=Ada");
    assert_eq!(
        names(&[&first, "@ada:example.org", "@ada:b.example"]),
        ["Ada", "ada 2", "ada 3"]
    );
}

#[test]
fn a_label_cannot_deceive() {
    let (machine, _) = Machine::with_identity();
    for (label, name) in [
        ("%E2%80%AEadA", "adA"),
        ("%1B%5B31mAda", "[31mAda"),
        ("%40bob%3Aexample.org", &A[..8]),
        (A, &A[..8]),
        ("%E2%80%8B", &A[..8]),
    ] {
        let added = machine.json(&[
            "contact",
            "add",
            &format!("securecall://contact/{A}?name={label}"),
        ]);
        assert_eq!(added[0]["name"], name, "{label}");
        machine.json(&["contact", "remove", A]);
    }
}

#[test]
fn a_name_goes_with_exactly_one_contact_and_is_unique() {
    let (machine, _) = Machine::with_identity();
    expect(
        machine.refused(&["contact", "add", A, "@bo:example.org", "--name", "Both"]),
        2,
        "usage",
    );
    machine.json(&["contact", "add", A, "--name", "Ada"]);
    expect(
        machine.refused(&["contact", "add", "@bo:example.org", "--name", "ada"]),
        2,
        "name_in_use",
    );
    expect(
        machine.refused(&[
            "contact",
            "add",
            "@bo:example.org",
            "--name",
            "@ada:example.org",
        ]),
        2,
        "usage",
    );
    expect(
        machine.refused(&["contact", "add", "@bo:example.org", "--name", "\u{200b}"]),
        2,
        "usage",
    );
    // The same person again: renamed, not doubled.
    assert_eq!(
        machine.json(&["contact", "add", A, "--name", "Ada L"])[0]["name"],
        "Ada L"
    );
    assert_eq!(machine.json(&["contact", "list"]).len(), 1);
}

#[test]
fn all_are_added_or_none() {
    let (machine, _) = Machine::with_identity();
    let (_, other) = Machine::with_identity();
    let conflict = format!("securecall://contact/{other}?mxid=@ada:example.org");
    machine.json(&[
        "contact",
        "add",
        &format!("securecall://contact/{A}?mxid=@ada:example.org"),
    ]);
    let error = expect(
        machine.refused(&["contact", "add", "@bo:example.org", &conflict]),
        3,
        "key_mismatch",
    );
    assert!(error["help"].as_str().unwrap().contains("contact remove"));
    assert_eq!(machine.json(&["contact", "list"]).len(), 1);
}

#[test]
fn one_cannot_add_oneself() {
    let (machine, id) = Machine::with_identity();
    expect(machine.refused(&["contact", "add", &id]), 2, "usage");
}

#[test]
fn a_text_without_an_address_adds_nothing() {
    let (machine, _) = Machine::with_identity();
    expect(
        machine.refused(&["contact", "add", "call me on 555 1234"]),
        2,
        "invalid_link",
    );
    assert_eq!(machine.json(&["contact", "list"])[0]["count"], 0);
}

#[test]
fn every_bad_address_is_refused_by_add_and_by_call_with_what_is_wrong() {
    let (machine, _) = Machine::with_identity();
    let vectors: Vectors =
        serde_json::from_str(include_str!("../../../../testing/vectors/contact.json")).unwrap();
    let of_security =
        |error: &Value| error.to_string().contains("LowOrderKey") || error == "AnotherKey";
    let lists = [
        (vectors.invalid_ids, "invalid_id"),
        (vectors.invalid_matrix_ids, "invalid_matrix_id"),
        (vectors.invalid_links, "invalid_link"),
    ];
    for (invalid, kind) in lists {
        // What is a form of its own when it stands alone, or a name, is no bad input.
        let distinctive = |vector: &&Invalid| {
            !vector.text.contains(' ')
                && vector.error != "NoSigil"
                && vector.error != "NoScheme"
                // Beside another script a contact may be found in a text, and is asked about.
                && (kind != "invalid_link" || vector.text.is_ascii())
                && !vector.text.is_empty()
        };
        // Each kind of fault once; all of them are in the tests of the crate that reads them.
        let mut seen = Vec::new();
        for vector in invalid.iter().filter(distinctive) {
            if seen.contains(&vector.error) {
                continue;
            }
            seen.push(vector.error.clone());
            let (code, error) = machine.refused(&["contact", "add", "--", &vector.text]);
            let expected = if of_security(&vector.error) { 3 } else { 2 };
            assert_eq!(code, expected, "{}: {error}", vector.what);
            if expected == 2 {
                assert_eq!(error["kind"], kind, "{}: {error}", vector.what);
            }
            let (code_of_call, error_of_call) = machine.refused(&["call", "--", &vector.text]);
            assert_eq!(
                (code_of_call, &error_of_call["kind"]),
                (code, &error["kind"]),
                "{}",
                vector.what
            );
        }
        assert!(seen.len() >= 6, "{kind}");
    }
    assert_eq!(machine.json(&["contact", "list"])[0]["count"], 0);
}

#[test]
fn who_is_called_is_decided_before_anything_else() {
    let (machine, _) = Machine::with_identity();
    machine.json(&["contact", "add", A, "--name", "Ada"]);
    machine.json(&["contact", "add", "@bo:example.org", "--name", "Bo"]);
    expect(machine.refused(&["call", "Eve"]), 2, "unknown_contact");
    expect(machine.refused(&["call", "Ada"]), 2, "no_account");
    expect(machine.refused(&["call", "Bo"]), 4, "no_securecall_device");
    expect(
        machine.refused(&["call", "@cy:example.org"]),
        4,
        "no_securecall_device",
    );
    expect(
        machine.refused(&["call", "Bo", "--require", "securecall"]),
        3,
        "tier_too_low",
    );
}
