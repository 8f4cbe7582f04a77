//! The test vectors of RFC 9578, appendix B.2.

use std::convert::Infallible;

use data_encoding::HEXLOWER;
use rand_core::{TryCryptoRng, TryRng};
use serde::Deserialize;

use super::super::{Challenge, IssuerKey, Purchase, Token, TokenKey, TokenRequest, TokenResponse};

#[derive(Deserialize)]
struct File {
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
#[expect(non_snake_case, reason = "the names of the RFC")]
struct Vector {
    skS: String,
    pkS: String,
    token_challenge: String,
    nonce: String,
    blind: String,
    salt: String,
    token_request: String,
    token_response: String,
    token: String,
}

fn vectors() -> Vec<Vector> {
    let text = include_str!("../../../../../testing/vectors/rfc9578_type_2.json");
    serde_json::from_str::<File>(text).unwrap().vectors
}

fn bytes(hex: &str) -> Vec<u8> {
    HEXLOWER.decode(hex.as_bytes()).unwrap()
}

pub(super) fn issuer_key() -> IssuerKey {
    let pem = String::from_utf8(bytes(&vectors()[0].skS)).unwrap();
    IssuerKey::from_pem(&pem).unwrap()
}

/// Draws what the vector has drawn.
struct Replay(Vec<u8>);

impl TryRng for Replay {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        unreachable!("only octets are drawn")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        unreachable!("only octets are drawn")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        let rest = self.0.split_off(bytes.len());
        bytes.copy_from_slice(&std::mem::replace(&mut self.0, rest));
        Ok(())
    }
}

impl TryCryptoRng for Replay {}

#[test]
fn the_vectors_of_rfc_9578_come_out() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 5);
    for vector in vectors {
        let pem = String::from_utf8(bytes(&vector.skS)).unwrap();
        let issuer = IssuerKey::from_pem(&pem).unwrap();
        let key = TokenKey::from_der(&bytes(&vector.pkS)).unwrap();
        assert_eq!(issuer.public(), &key);

        let challenge = Challenge::from_bytes(&bytes(&vector.token_challenge)).unwrap();
        assert_eq!(challenge.to_bytes(), bytes(&vector.token_challenge));

        let drawn = [&vector.nonce, &vector.salt, &vector.blind].map(|hex| bytes(hex));
        let mut replay = Replay(drawn.concat());
        let (purchase, request) = Purchase::new(&key, &challenge, &mut replay).unwrap();
        assert_eq!(request.to_bytes(), bytes(&vector.token_request));
        assert_eq!(
            TokenRequest::from_bytes(&request.to_bytes()),
            Ok(request.clone())
        );

        let response = issuer.issue(&request).unwrap();
        assert_eq!(response.to_bytes(), bytes(&vector.token_response));
        let response = TokenResponse::from_bytes(&response.to_bytes()).unwrap();

        let token = purchase.finish(&response).unwrap();
        assert_eq!(token.as_bytes().as_slice(), bytes(&vector.token));
        assert_eq!(Token::from_bytes(token.as_bytes()), Ok(token));
    }
}
