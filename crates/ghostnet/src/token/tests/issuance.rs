//! Keys, requests and answers.

use super::super::{
    ChallengeError, IssueError, IssuerDirectory, IssuerDirectoryError, IssuerDirectoryKey,
    IssuerKeyError, PurchaseError, TOKEN_KEY_LENGTH, TokenKeyError, TokenMessageError,
    TokenRequest, TokenResponse,
};
use super::*;

#[test]
fn a_key_that_was_made_issues_and_comes_back_from_its_file() {
    let issuer = IssuerKey::generate(&mut rng(3)).unwrap();
    let token = bought(&issuer, &challenge(), 4);
    assert_eq!(token.key_id(), issuer.public().id());
    for read in [
        IssuerKey::from_pem(&issuer.to_pem().unwrap()).unwrap(),
        IssuerKey::from_der(&issuer.to_der().unwrap()).unwrap(),
    ] {
        assert_eq!(read.public(), issuer.public());
        assert_eq!(read.to_der().unwrap(), issuer.to_der().unwrap());
    }
    assert_eq!(
        TokenKey::from_der(issuer.public().as_der()).as_ref(),
        Ok(issuer.public())
    );
}

#[test]
fn keys_of_other_sizes_and_files_of_other_kinds_are_no_keys_of_issuers() {
    let small = rsa::PrivateKey::new(&mut rng(5), 1024).unwrap();
    let der = rsa::pkcs8::EncodePrivateKey::to_pkcs8_der(&small).unwrap();
    assert_eq!(
        IssuerKey::from_der(der.as_bytes()).unwrap_err(),
        IssuerKeyError::Unsuitable
    );
    let pem = issuer_key().to_pem().unwrap();
    for text in [
        "",
        &pem[1..],
        &pem[..1000],
        &pem.replace("PRIVATE", "PUBLIC"),
    ] {
        assert_eq!(
            IssuerKey::from_pem(text).unwrap_err(),
            IssuerKeyError::Encoding
        );
    }
    let padded = format!("{}{}", pem.as_str(), "\n".repeat(9_000));
    assert_eq!(
        IssuerKey::from_pem(&padded).unwrap_err(),
        IssuerKeyError::Encoding
    );
    let mut der = issuer_key().to_der().unwrap().to_vec();
    der.resize(9_000, 0);
    assert_eq!(
        IssuerKey::from_der(&der).unwrap_err(),
        IssuerKeyError::Encoding
    );
}

#[test]
fn a_public_key_has_one_encoding() {
    let issuer = issuer_key();
    let der = *issuer.public().as_der();
    assert_eq!(der.len(), TOKEN_KEY_LENGTH);
    for at in (0..81).chain(337..342) {
        let mut changed = der;
        changed[at] ^= 1;
        assert_eq!(
            TokenKey::from_der(&changed),
            Err(TokenKeyError::Encoding),
            "{at}"
        );
    }
    assert_eq!(TokenKey::from_der(&der[1..]), Err(TokenKeyError::Encoding));
    let mut short = der;
    short[81] &= 0x7f;
    let mut even = der;
    even[336] &= 0xfe;
    for modulus in [short, even] {
        assert_eq!(TokenKey::from_der(&modulus), Err(TokenKeyError::Modulus));
    }
    let text = issuer.public().to_base64url();
    assert_eq!(
        TokenKey::from_base64url(&text).as_ref(),
        Ok(issuer.public())
    );
    for text in [text[4..].to_owned(), text.replace('_', "/")] {
        assert_eq!(
            TokenKey::from_base64url(&text),
            Err(TokenKeyError::Encoding)
        );
    }
}

#[test]
fn a_blinded_message_says_nothing_of_the_token() {
    let issuer = issuer_key();
    let (_, once) = Purchase::new(issuer.public(), &challenge(), &mut rng(1)).unwrap();
    let (_, again) = Purchase::new(issuer.public(), &challenge(), &mut rng(2)).unwrap();
    // All that they have in common are three octets, the same for every client.
    assert_eq!(once.to_bytes()[..3], again.to_bytes()[..3]);
    assert_ne!(once.to_bytes()[3..], again.to_bytes()[3..]);
    let token = bought(&issuer, &challenge(), 1);
    for window in token.as_bytes()[2..34].windows(8) {
        assert!(!once.to_bytes().windows(8).any(|other| other == window));
    }
}

#[test]
fn an_issuer_signs_only_for_its_key_and_below_its_modulus() {
    let issuer = issuer_key();
    let rng = &mut rng(1);
    let (_, request) = Purchase::new(issuer.public(), &challenge(), rng).unwrap();
    let mut other = request.to_bytes();
    other[2] ^= 1;
    let other = TokenRequest::from_bytes(&other).unwrap();
    assert_eq!(issuer.issue(&other), Err(IssueError::OtherKey));
    let mut large = request.to_bytes();
    large[3..].copy_from_slice(&issuer.public().as_der()[81..337]);
    let large = TokenRequest::from_bytes(&large).unwrap();
    assert_eq!(issuer.issue(&large), Err(IssueError::Message));

    let bytes = request.to_bytes();
    for cut in [
        &bytes[..0],
        &bytes[..2],
        &bytes[..258],
        &[bytes.as_slice(), &[0]].concat(),
    ] {
        assert_eq!(
            TokenRequest::from_bytes(cut),
            Err(TokenMessageError::Length)
        );
    }
    let mut wrong = bytes;
    wrong[1] = 1;
    assert_eq!(
        TokenRequest::from_bytes(&wrong),
        Err(TokenMessageError::Type)
    );
    for length in [0, 255, 257] {
        assert_eq!(
            TokenResponse::from_bytes(&vec![0; length]),
            Err(TokenMessageError::Length)
        );
    }
}

#[test]
fn an_answer_that_is_no_signature_makes_no_token() {
    let issuer = issuer_key();
    let modulus = &issuer.public().as_der()[81..337];
    let good = {
        let rng = &mut rng(9);
        let (_, request) = Purchase::new(issuer.public(), &challenge(), rng).unwrap();
        issuer.issue(&request).unwrap().to_bytes()
    };
    let mut changed = good.clone();
    changed[255] ^= 1;
    // The signature plus the modulus is the same number to the arithmetic, and not the same answer.
    let mut carry = 0;
    let mut wrapped = good.clone();
    for (byte, add) in wrapped.iter_mut().zip(modulus).rev() {
        let sum = u16::from(*byte) + u16::from(*add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    for (answer, makes_one) in [
        (good, true),
        (changed, false),
        (wrapped, false),
        (vec![0; 256], false),
        (vec![0xff; 256], false),
    ] {
        let (purchase, _) = Purchase::new(issuer.public(), &challenge(), &mut rng(9)).unwrap();
        let answer = TokenResponse::from_bytes(&answer).unwrap();
        match purchase.finish(&answer) {
            Ok(_) => assert!(makes_one),
            Err(error) => assert!(!makes_one && error == PurchaseError::Signature),
        }
    }
}

/// With small factors in the modulus, a message that shares one is still seen to share it when it is blinded.
#[test]
fn a_key_with_small_factors_is_not_bought_of() {
    let mut der = *issuer_key().public().as_der();
    // 2^2047 + … as a multiple of 3: the last octet decides, and stays odd.
    der[336] = (0..=255)
        .step_by(2)
        .map(|even| even + 1)
        .find(|last| {
            let sum: u32 = der[81..336]
                .iter()
                .chain([last])
                .map(|&b| u32::from(b))
                .sum();
            sum.is_multiple_of(3)
        })
        .unwrap();
    let key = TokenKey::from_der(&der).unwrap();
    let refused = (0..40)
        .map(|seed| Purchase::new(&key, &challenge(), &mut rng(seed)))
        .filter(|result| matches!(result, Err(PurchaseError::UnsuitableKey)))
        .count();
    // A third of all messages.
    assert!((5..=25).contains(&refused), "{refused}");
}

#[test]
fn challenges_are_read_strictly() {
    let bytes = challenge().to_bytes();
    assert_eq!(bytes, b"\x00\x02\x00\x0eissuer.example\x00\x00\x00");
    assert_eq!(Challenge::from_bytes(&bytes), Ok(challenge()));
    assert!(challenge().is_unbound());
    for (bytes, error) in [
        (&b"\x00"[..], ChallengeError::Structure),
        (b"\x00\x01\x00\x01a\x00\x00\x00", ChallengeError::Type),
        (b"\x00\x02\x00\x00\x00\x00\x00", ChallengeError::IssuerName),
        (b"\x00\x02\x00\x01A\x00\x00\x00", ChallengeError::IssuerName),
        (
            b"\x00\x02\x00\x01\xff\x00\x00\x00",
            ChallengeError::IssuerName,
        ),
        (b"\x00\x02\x00\x02a\x00\x00\x00", ChallengeError::IssuerName),
        (
            b"\x00\x02\x00\x01a\x01\x00\x00\x00",
            ChallengeError::RedemptionContext,
        ),
        (
            b"\x00\x02\x00\x01a\x20\x00\x00\x00",
            ChallengeError::Structure,
        ),
        (
            b"\x00\x02\x00\x01a\x00\x00\x02a,",
            ChallengeError::OriginInfo,
        ),
        (b"\x00\x02\x00\x01a\x00\x00\x01", ChallengeError::Structure),
        (
            b"\x00\x02\x00\x01a\x00\x00\x00\x00",
            ChallengeError::Structure,
        ),
    ] {
        assert_eq!(Challenge::from_bytes(bytes), Err(error), "{bytes:?}");
    }
    let mut long = b"\x00\x02\x00\x01a\x00\x04\x02".to_vec();
    long.extend_from_slice("a,".repeat(513).as_bytes());
    long.truncate(8 + 0x401);
    long[6..8].copy_from_slice(&0x401_u16.to_be_bytes());
    assert_eq!(
        Challenge::from_bytes(&long),
        Err(ChallengeError::OriginInfo)
    );
    let bound = Challenge::from_bytes(b"\x00\x02\x00\x01a\x00\x00\x03b,c").unwrap();
    assert!(!bound.is_unbound());
    assert_ne!(bound.digest(), challenge().digest());
}

#[test]
fn the_directory_of_an_issuer_names_its_keys() {
    let key = |number, not_before: Option<u64>| IssuerDirectoryKey {
        key: other_key(number),
        not_before: not_before.map(at),
    };
    let directory = IssuerDirectory {
        request_uri: "/token".to_owned(),
        keys: vec![key(1, Some(50)), key(2, None)],
    };
    let json = directory.to_json();
    assert_eq!(IssuerDirectory::from_json(&json).as_ref(), Ok(&directory));
    assert_eq!(directory.key(at(49)), Some(&other_key(2)));
    assert_eq!(directory.key(at(50)), Some(&other_key(1)));

    let with = |keys: &str| format!(r#"{{"issuer-request-uri":"/t","token-keys":[{keys}]}}"#);
    let one = format!(
        r#"{{"token-type":2,"token-key":"{}"}}"#,
        other_key(1).to_base64url()
    );
    let other_type = r#"{"token-type":1,"token-key":"AAAA","more":[]}"#;
    let read = IssuerDirectory::from_json(with(&format!("{other_type},{one}")).as_bytes());
    assert_eq!(read.unwrap().keys, [key(1, None)]);
    for (json, error) in [
        (with(&format!("{one},{one}")), IssuerDirectoryError::Key),
        (
            with(&one.replace("\":2", "\":65538")),
            IssuerDirectoryError::Json,
        ),
        (
            with(&one.replace("MIIB", "MIIC")),
            IssuerDirectoryError::Key,
        ),
        (
            with(&vec![other_type; 33].join(",")),
            IssuerDirectoryError::TooLarge,
        ),
        (
            format!("{}{}", with(&one), " ".repeat(65_536)),
            IssuerDirectoryError::TooLarge,
        ),
        (
            with(&one).replace("/t\"", "\""),
            IssuerDirectoryError::RequestUri,
        ),
        (
            with(&one).replace("/t\"", "/ t\""),
            IssuerDirectoryError::RequestUri,
        ),
        (
            with(&one).replace("/t\"", &format!("{}\"", "a".repeat(2049))),
            IssuerDirectoryError::RequestUri,
        ),
        ("[]".to_owned(), IssuerDirectoryError::Json),
    ] {
        assert_eq!(
            IssuerDirectory::from_json(json.as_bytes()),
            Err(error),
            "{json}"
        );
    }
}
