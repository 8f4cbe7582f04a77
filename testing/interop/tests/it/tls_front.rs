use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use securecall_interop::TlsFront;

fn ask(front: &TlsFront, roots: RootCertStore) -> std::io::Result<String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let address = front.base_url().replace("https://", "");
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address)?);
    stream.write_all(b"ping")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

#[test]
fn only_who_believes_the_certificate_gets_through() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut ping = [0; 4];
            if stream.read_exact(&mut ping).is_ok() {
                stream.write_all(b"pong").unwrap();
            }
        }
    });
    let front = TlsFront::start(server).unwrap();

    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(front.certificate_pem().as_bytes()).unwrap())
        .unwrap();
    assert_eq!(ask(&front, roots).unwrap(), "pong");

    let error = ask(&front, RootCertStore::empty()).unwrap_err().to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");
}
