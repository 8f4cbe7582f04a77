//! A Matrix ID as a homeserver might name a sender.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_contact::{MatrixId, ServerName};

fuzz_target!(|text: &str| {
    if let Ok(matrix_id) = text.parse::<MatrixId>() {
        // A server's name is kept in lower case, a localpart as it is.
        assert!(matrix_id.as_str().eq_ignore_ascii_case(text));
        assert!(text[1..].starts_with(matrix_id.localpart()));
        assert_eq!(
            format!("@{}:{}", matrix_id.localpart(), matrix_id.server_name()),
            matrix_id.as_str()
        );
        match matrix_id.securecall_id() {
            Some(id) => assert_eq!(
                MatrixId::of_securecall_id(id, matrix_id.server_name()),
                matrix_id
            ),
            None => assert!(
                !matrix_id
                    .localpart()
                    .to_ascii_lowercase()
                    .starts_with("sc_")
            ),
        }
    }
    if let Ok(server_name) = text.parse::<ServerName>() {
        assert_eq!(server_name.as_str(), text.to_ascii_lowercase());
        assert!(server_name.as_str().starts_with(server_name.host()));
    }
});
