//! The fields of HTTP.

use super::super::{
    Authorization, FieldError, SharedSecret, TokenError, TokenKeyError, TokenOffer,
    read_authorization, read_www_authenticate, write_www_authenticate,
};
use super::*;

fn offer(key: Option<TokenKey>) -> TokenOffer {
    TokenOffer {
        challenge: challenge(),
        token_key: key,
    }
}

#[test]
fn an_offer_comes_back_from_its_field() {
    let offers = vec![offer(Some(other_key(1))), offer(None)];
    let field = write_www_authenticate(&offers);
    assert_eq!(read_www_authenticate(&field), Ok(offers));
    assert_eq!(read_www_authenticate(""), Ok(Vec::new()));
}

#[test]
fn other_schemes_types_and_parameters_are_skipped() {
    let wanted = vec![offer(None)];
    let ours = write_www_authenticate(&wanted);
    let value = ours.trim_start_matches("PrivateToken ");
    let other_type = "PrivateToken challenge=\"AAEAAWEAAAA=\"";
    for field in [
        format!("Basic realm=\"a, b=\\\"c\\\"\", {ours}"),
        format!("Negotiate abc==, {ours}"),
        format!("Negotiate , {ours}"),
        format!("Negotiate,{ours}"),
        format!(
            "privatetoken max-age=10 , realm = x , {}",
            value.replace("challenge", "CHALLENGE")
        ),
        format!("{other_type}, {ours}"),
        format!(" ,, {ours} ,\t"),
    ] {
        assert_eq!(read_www_authenticate(&field), Ok(wanted.clone()), "{field}");
    }
}

#[test]
fn fields_that_are_none_are_refused_with_a_reason() {
    let ours = write_www_authenticate(&[offer(Some(other_key(1)))]);
    let long = format!("a b=\"{}\"", "x".repeat(16 * 1024));
    let nine = ["a"; 9].join(",");
    let parameters = vec!["b=c"; 17].join(",");
    for (field, error) in [
        (long.as_str(), FieldError::TooLong),
        ("=", FieldError::Syntax),
        ("a=b", FieldError::Syntax),
        ("\u{e9}", FieldError::Syntax),
        ("a b=\"", FieldError::Syntax),
        ("a b=\"\\", FieldError::Syntax),
        ("a b=c d=e", FieldError::Syntax),
        ("a b==, c=d", FieldError::Syntax),
        (&nine, FieldError::Syntax),
        (&format!("a {parameters}"), FieldError::Syntax),
        ("PrivateToken", FieldError::Missing),
        ("PrivateToken realm=x", FieldError::Missing),
        ("PrivateToken challenge=\"AA\"", FieldError::Base64),
        (
            "PrivateToken challenge=\"AA==\", challenge=\"AA==\"",
            FieldError::Repeated,
        ),
        (
            &ours.replace("\"MIIB", "\"MIIC"),
            FieldError::TokenKey(TokenKeyError::Encoding),
        ),
    ] {
        assert_eq!(read_www_authenticate(field), Err(error), "{field}");
    }
}

#[test]
fn a_token_comes_back_from_its_field_and_shows_in_no_log() {
    let token = bought(&issuer_key(), &challenge(), 1);
    let field = token.authorization();
    let Ok(Authorization::Token(read)) = read_authorization(&field) else {
        panic!("{field:?}")
    };
    assert_eq!(read, token);
    assert_eq!(
        format!("{token:?} {:?}", Authorization::Token(read)),
        "Token(..) Token(Token(..))"
    );

    // It may come without quotes from elsewhere, and with parameters of tomorrow.
    let extended = field
        .replace("PrivateToken ", "privatetoken more=1, ")
        .replace('"', "");
    assert!(matches!(
        read_authorization(&extended),
        Ok(Authorization::Token(_))
    ));

    for (field, error) in [
        (field.replace("token=", "other="), FieldError::Missing),
        (
            format!("{}, {}", *field, &field["PrivateToken ".len()..]),
            FieldError::Repeated,
        ),
        (format!("{}, {}", *field, *field), FieldError::Syntax),
        (field.replace("PrivateToken", "Basic"), FieldError::Scheme),
        (String::new(), FieldError::Syntax),
        (
            field.replace("\"AAI", "\"AAE"),
            FieldError::Token(TokenError::Type),
        ),
        (
            field.replace("\"AAI", "\"AAIAAAI"),
            FieldError::Token(TokenError::Length),
        ),
        (field.replace("\"AAI", "\"AA+"), FieldError::Base64),
    ] {
        assert_eq!(read_authorization(&field).err(), Some(error), "{field}");
    }
}

#[test]
fn a_shared_secret_lets_in_who_has_it() {
    let secret = SharedSecret::new("0123456789abcdef+/==").unwrap();
    let Ok(Authorization::Secret(shown)) = read_authorization(&secret.authorization()) else {
        panic!()
    };
    assert!(secret.matches(&shown));
    let others = [
        "0123456789abcdef+/=",
        "1123456789abcdef+/==",
        "0123456789abcdef+/==",
    ];
    let matching = others.map(|other| secret.matches(&SharedSecret::new(other).unwrap()));
    assert_eq!(matching, [false, false, true]);
    assert_eq!(format!("{secret:?}"), "SharedSecret(..)");
    for text in [
        "short",
        "0123456789 abcdef",
        "0123456789=abcdef",
        "================",
        &"a".repeat(129),
    ] {
        assert!(SharedSecret::new(text).is_err(), "{text}");
        assert!(
            read_authorization(&format!("Bearer {text}")).is_err(),
            "{text}"
        );
    }
}
