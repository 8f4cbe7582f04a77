use std::net::TcpStream;

use securecall_interop::{Dendrite, DendriteError, Homeserver, HomeserverOptions, Registration};

use crate::matrix_client::{Client, register};

#[test]
fn it_takes_users_and_keeps_them_over_a_kill_and_a_restart() {
    let mut dendrite = Dendrite::start(HomeserverOptions::default()).unwrap();
    let before = dendrite.snapshot().unwrap();
    assert_eq!(before.row_count("userapi_accounts"), Some(0));
    let (code, told) = register(&dendrite, "a");
    assert_eq!(
        (code, &told["user_id"]),
        (200, &"@a:homeserver.test".into()),
        "{told}"
    );
    let after = dendrite.snapshot().unwrap();
    assert_eq!(after.row_count("userapi_accounts"), Some(1));
    let report = before.compare(&after);
    assert!(
        report
            .unexplained()
            .any(|row| row.table == "userapi_accounts")
    );

    let url = dendrite.base_url();
    dendrite.kill().unwrap();
    assert!(TcpStream::connect(dendrite.address()).is_err());
    dendrite.restart().unwrap();
    assert_eq!(dendrite.base_url(), url);
    let (code, told) = register(&dendrite, "a");
    assert_eq!((code, &told["errcode"]), (400, &"M_USER_IN_USE".into()));
    dendrite.stop().unwrap();
    assert!(TcpStream::connect(dendrite.address()).is_err());

    let data = dendrite.log_path().parent().unwrap().to_owned();
    assert!(data.exists());
    drop(dendrite);
    assert!(!data.exists());
}

#[test]
fn an_open_or_a_closed_door_is_what_the_options_say() {
    let options = |registration| HomeserverOptions {
        registration,
        ..HomeserverOptions::default()
    };
    let by_token = Registration::Token("admission".to_owned());
    let refused = Dendrite::start(options(by_token));
    assert!(matches!(refused, Err(DendriteError::NoTokens)));

    let mut dendrite = Dendrite::start(options(Registration::Closed)).unwrap();
    let (code, told) = register(&dendrite, "c");
    assert_eq!((code, &told["errcode"]), (403, &"M_FORBIDDEN".into()));
    dendrite.set_registration(Registration::Open);
    dendrite.restart().unwrap();
    let user = Client::new(&dendrite, "c");
    assert_eq!(user.matrix_id, "@c:homeserver.test");
}
