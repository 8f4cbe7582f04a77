//! Bytes of clients and issuers: challenges, requests, answers, keys, tokens, and a stock of them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_ghostnet::token::{
    Challenge, IssuerKey, Token, TokenKey, TokenRequest, TokenResponse, TokenStock,
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(challenge) = Challenge::from_bytes(bytes) {
        assert_eq!(challenge.to_bytes(), bytes);
    }
    if let Ok(request) = TokenRequest::from_bytes(bytes) {
        assert_eq!(request.to_bytes(), bytes);
    }
    if let Ok(response) = TokenResponse::from_bytes(bytes) {
        assert_eq!(response.to_bytes(), bytes);
    }
    if let Ok(token) = Token::from_bytes(bytes) {
        assert_eq!(token.as_bytes(), bytes);
    }
    if let Ok(key) = TokenKey::from_der(bytes) {
        assert_eq!(key.as_der(), bytes);
    }
    if let Ok(stock) = TokenStock::from_bytes(bytes) {
        assert_eq!(stock.to_bytes().as_slice(), bytes);
    }
    if let Ok(issuer) = IssuerKey::from_der(bytes) {
        let der = issuer.to_der().expect("it was read");
        let again = IssuerKey::from_der(&der).expect("it was written");
        assert_eq!(again.public(), issuer.public());
    }
});
