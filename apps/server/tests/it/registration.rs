//! Accounts by the secret that homeservers share with their operator.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha1::Sha1;

pub(crate) const PATH: &str = "/_synapse/admin/v1/register";

/// Asks for an account, after the nonce that was given out at the same place.
pub(crate) fn request(
    secret: &str,
    nonce: &Value,
    name: &str,
    password: &str,
    admin: bool,
) -> Value {
    let nonce = nonce["nonce"].as_str().unwrap();
    let kind = if admin { "admin" } else { "notadmin" };
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.trim().as_bytes()).unwrap();
    mac.update(format!("{nonce}\0{name}\0{password}\0{kind}").as_bytes());
    let mac = HEXLOWER.encode(&mac.finalize().into_bytes());
    json!({ "nonce": nonce, "username": name, "password": password, "admin": admin, "mac": mac })
}
