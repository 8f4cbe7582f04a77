//! Name and picture of an account: set, shown to everybody, and what a homeserver can make of that.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use securecall_interop::{Answer, Synapse, SynapseOptions};
use securecall_matrix::{OwnProfile, ProfileEditor, ProfileError, RestoreError, ServerError};

use crate::{
    people::{Person, synapse},
    signal::access_token,
    victim::Victim,
};

/// The bytes of an answer to somebody, with a token or without.
fn fetched(synapse: &Synapse, path: &str, token: Option<&str>) -> Vec<u8> {
    let mut stream = TcpStream::connect(synapse.address()).unwrap();
    let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\n",
        token.unwrap_or_default()
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{answer:?}");
    answer
}

#[tokio::test]
async fn name_and_picture_of_the_account_are_set_and_shown_to_everybody() {
    let options = SynapseOptions {
        media: true,
        ..SynapseOptions::default()
    };
    let synapse = Synapse::start(options).unwrap();
    let person = Person::new(&synapse).await;
    // Beside the process that has the account.
    let editor = ProfileEditor::open(&person.store).await.unwrap();
    let user = person.account.matrix_id();
    // Synapse names a new account after its localpart.
    let profile = editor.own_profile().await.unwrap();
    assert_eq!(profile.display_name.as_deref(), Some(user.localpart()));
    assert_eq!(profile.avatar, None);
    editor.set_display_name("Ada Lovelace").await.unwrap();
    let file = b"\x89PNG\r\n\x1a\n and what follows";
    let avatar = editor.upload_png(file).await.unwrap();
    editor.set_avatar(&avatar).await.unwrap();
    let profile = editor.own_profile().await.unwrap();
    assert_eq!(profile.display_name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(profile.avatar.as_deref(), Some(avatar.as_str()));

    // Whoever asks is told, without so much as an account; another account gets the picture.
    let path = format!("/_matrix/client/v3/profile/{user}");
    let told = String::from_utf8(fetched(&synapse, &path, None)).unwrap();
    assert!(
        told.contains("Ada Lovelace") && told.contains(&avatar),
        "{told}"
    );
    let other = Person::new(&synapse).await;
    let token = access_token(&synapse, other.account.matrix_id().as_str());
    let place = avatar.strip_prefix("mxc://").unwrap();
    let download = format!("/_matrix/client/v1/media/download/{place}");
    let answer = fetched(&synapse, &download, Some(&token));
    assert!(answer.ends_with(file));
    let head = String::from_utf8_lossy(&answer).to_lowercase();
    assert!(head.contains("content-type: image/png"), "{head}");

    editor.set_display_name("").await.unwrap();
    editor.set_avatar("").await.unwrap();
    assert_eq!(editor.own_profile().await.unwrap(), OwnProfile::default());
    let refused = editor.set_avatar("https://homeserver.test/abc").await;
    assert!(matches!(refused, Err(ProfileError::BadAvatar)));
    let refused = editor.set_display_name("Ada\u{202e}").await;
    assert!(matches!(refused, Err(ProfileError::NameCharacter { .. })));
}

#[tokio::test]
async fn without_an_account_there_is_nothing_to_edit() {
    let person = Person::new(synapse()).await;
    person.account.logout().await.unwrap();
    let opened = ProfileEditor::open(&person.store).await;
    assert!(matches!(opened, Err(RestoreError::NotLoggedIn)));
}

#[tokio::test]
async fn a_homeserver_that_takes_no_picture_or_names_no_place_for_it_is_said_so() {
    const UPLOAD: &str = "POST /_matrix/media/v3/upload";
    let victim = Victim::new().await;
    let editor = ProfileEditor::open(&victim.store).await.unwrap();
    for uri in [
        "",
        "mxc://",
        "https://homeserver.test/abc",
        &"x".repeat(2_000),
    ] {
        let body = format!(r#"{{"content_uri":"{uri}"}}"#);
        victim
            .server
            .answer(UPLOAD, Answer::json("200 OK", &[], &body));
        let refused = editor.upload_png(b"x").await;
        assert!(
            matches!(
                refused,
                Err(ProfileError::Server(ServerError::Misbehaves { .. }))
            ),
            "{uri} {refused:?}"
        );
    }
    let no = r#"{"errcode":"M_TOO_LARGE","error":"no more than 3 bytes"}"#;
    let no = Answer::json("413 Payload Too Large", &[], no);
    victim.server.answer(UPLOAD, no);
    let refused = editor.upload_png(b"four").await.unwrap_err();
    assert!(
        refused.to_string().contains("no more than 3 bytes"),
        "{refused}"
    );
    assert_eq!(victim.server.requests(UPLOAD), 5);
}
