//! The client over real sockets: who answers there, and who does not.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

async fn listen() -> (TcpListener, Config) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap()).parse().unwrap();
    (listener, Config::new(url))
}

#[tokio::test]
async fn an_address_where_nothing_listens_says_so() {
    let (listener, config) = listen().await;
    drop(listener);
    assert!(matches!(Client::connect(config).await, Err(ConnectError::Tcp(_))));
}

#[tokio::test]
async fn a_server_that_is_no_daemon_is_told_apart() {
    for (answer, is_refusal) in [
        (&b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"[..], Some(true)),
        (b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", Some(false)),
        (b"\x04\x00\x00\x08\x00\x00\x00\x01", None),
    ] {
        let (listener, config) = listen().await;
        let server = async {
            let (mut socket, _) = listener.accept().await.unwrap();
            let _ = socket.read(&mut [0; 1024]).await.unwrap();
            socket.write_all(answer).await.unwrap();
        };
        let (client, ()) = tokio::join!(Client::connect(config), server);
        let error = client.unwrap_err();
        assert!(matches!(error, ConnectError::Http(_)) == is_refusal.is_some(), "{error}");
        assert_eq!(error.is_refusal(), is_refusal.unwrap_or_default(), "{error}");
    }
}
