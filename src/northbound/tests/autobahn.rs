//! Autobahn's fuzzing client against a connection of the daemon's own, whose desk sends back what it is handed.
//!
//! It is a program for CPython 2.7: `make autobahn` installs it where there is one, and runs this test. What it found last
//! is kept in `autobahn.txt`, a line for each case: its number, its verdict, and that on the closing handshake.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command as Program;

use tokio::sync::OwnedSemaphorePermit;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::super::load::Load;
use super::super::progress::Credit;
use super::super::subprotocol::Subprotocol;
use super::super::websocket::{Desk, Ending, Line, carry};
use super::super::writer::Handed;
use super::*;

/// Sends every message back.
struct Echo;

impl Desk for Echo {
    async fn take(&self, message: Message, permit: OwnedSemaphorePermit) -> Result<Handed, Ending> {
        Ok(Handed::Written(message, permit))
    }
}

/// Reads the request to upgrade and accepts it.
async fn upgrade(socket: &mut TcpStream) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(socket.read_u8().await.unwrap());
    }
    let request = String::from_utf8(request).unwrap();
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accepted = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.trim().as_bytes())
    );
    socket.write_all(accepted.as_bytes()).await.unwrap();
}

/// Serves echoes for as long as it is polled.
async fn serve_echoes(listener: TcpListener, server: Arc<Server>) {
    loop {
        let (mut socket, peer) = listener.accept().await.unwrap();
        let server = Arc::clone(&server);
        tokio::spawn(async move {
            upgrade(&mut socket).await;
            let load = Load::new(&server.config);
            let line = Line { subprotocol: Subprotocol::MessagePack, load: &load, server: &server, peer };
            let credit = Credit::new(u64::MAX);
            carry(socket, line, credit, &Echo, std::future::pending()).await;
        });
    }
}

/// Each case with its two verdicts, in the order of their numbers.
fn results(report: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(report).unwrap();
    let report: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_str(&text).unwrap();
    let mut cases: Vec<_> = report["flumen"].iter().collect();
    let number = |case: &str| case.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
    cases.sort_by_key(|(case, _)| number(case));
    let verdict = |result: &Value, of: &str| result[of].as_str().unwrap().to_owned();
    let line = |(case, result): (&String, &Value)| {
        format!("{case} {} {}", verdict(result, "behavior"), verdict(result, "behaviorClose"))
    };
    cases.into_iter().map(line).collect()
}

/// A server of echoes: where it listens, and its task.
pub(super) async fn echoes(config: NorthboundConfig) -> (SocketAddr, JoinHandle<()>) {
    let server = Arc::new(Server::new(Programmer::new(mpsc::channel(1).0), config, CancellationToken::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (address, tokio::spawn(serve_echoes(listener, server)))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs CPython 2.7 and minutes: make autobahn runs it"]
async fn w08_autobahn_finds_no_fault_in_any_case_outside_compression() {
    let wstest = std::env::var_os("FLUMEN_WSTEST").expect("the program wstest, which make autobahn installs");
    let (address, serving) = echoes(NorthboundConfig::default()).await;
    let url = format!("ws://{address}");

    let directory = tempfile::tempdir().unwrap();
    let work = serde_json::json!({
        "outdir": directory.path(),
        "servers": [{"agent": "flumen", "url": url}],
        "cases": ["*"],
        "exclude-cases": ["12.*", "13.*"],
        "exclude-agent-cases": {},
    });
    let file = directory.path().join("work.json");
    std::fs::write(&file, work.to_string()).unwrap();
    let status = tokio::task::spawn_blocking(move || {
        Program::new(wstest).args(["-m", "fuzzingclient", "-s"]).arg(file).status().unwrap()
    });
    assert!(status.await.unwrap().success());
    serving.abort();

    let found = results(&directory.path().join("index.json"));
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/northbound/tests/autobahn.txt");
    if std::env::var_os("FLUMEN_KEEP").is_some() {
        std::fs::write(&kept, found.join("\n") + "\n").unwrap();
    }
    let fine =
        |line: &&String| line.split(' ').skip(1).all(|word| ["OK", "INFORMATIONAL", "NON-STRICT"].contains(&word));
    let faults: Vec<_> = found.iter().filter(|line| !fine(line)).collect();
    assert!(faults.is_empty() && found.len() >= 301, "{} cases, of which {faults:?}", found.len());
    assert_eq!(found, std::fs::read_to_string(&kept).unwrap().lines().collect::<Vec<_>>());
}
