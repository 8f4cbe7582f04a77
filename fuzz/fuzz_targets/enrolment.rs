//! Bytes of clients and servers of enrolment.

#![no_main]

use libfuzzer_sys::fuzz_target;
use securecall_contact::enrolment::{
    EnrolmentAnswer, EnrolmentChallenge, EnrolmentRequest, EnrolmentStatement, ServerDocument,
};
use securecall_crypto::EnrolmentKeyPair;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(document) = ServerDocument::from_json(bytes) {
        assert_eq!(
            ServerDocument::from_json(&document.to_json()).as_ref(),
            Ok(&document)
        );
    }
    if let Ok(challenge) = EnrolmentChallenge::from_json(bytes) {
        assert_eq!(
            EnrolmentChallenge::from_json(&challenge.to_json()).as_ref(),
            Ok(&challenge)
        );
    }
    if let Ok(answer) = EnrolmentAnswer::from_json(bytes) {
        assert_eq!(EnrolmentAnswer::from_json(&answer.to_json()), Ok(answer));
    }
    if let Ok(request) = EnrolmentRequest::from_json(bytes) {
        let again = EnrolmentRequest::from_json(&request.to_json()).expect("it was written");
        assert_eq!(again.matrix_id, request.matrix_id);
        let id = request.matrix_id.securecall_id().expect("it was checked");
        let statement = EnrolmentStatement {
            challenge: &request.challenge,
            host: "example.org",
            matrix_id: &request.matrix_id,
            password: &request.password,
        };
        let server = EnrolmentKeyPair::from_bytes(&[1; 32]);
        // Nobody finds a proof by chance.
        server
            .check(&id.identity_key(), &statement.to_bytes(), &request.proof)
            .expect_err("a proof was forged");
    }
});
