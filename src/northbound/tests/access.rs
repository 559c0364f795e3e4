//! Who gets in, with what, and what each role may do.

use std::path::PathBuf;

use data_encoding::BASE64URL_NOPAD;
use rustls::pki_types::CertificateDer;
use serde_json::json;
use tempfile::TempDir;
use tokio_rustls::TlsConnector;

use super::*;
use crate::contract::{CommandName, Role};

/// A daemon with one token of each role.
struct Guarded {
    daemon: Daemon,
    directory: TempDir,
    tokens: [(Role, String); 3],
}

impl Guarded {
    async fn start(config: NorthboundConfig) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut known = Tokens::default();
        let tokens = [Role::Viewer, Role::Operator, Role::Admin]
            .map(|role| (role, known.add(role.as_str().parse().unwrap(), role).unwrap()));
        known.save(&directory.path().join("tokens")).unwrap();
        let config = NorthboundConfig { tokens: Some(directory.path().join("tokens")), ..config };
        Self { daemon: Daemon::answering(config).await, directory, tokens }
    }

    fn token(&self, role: Role) -> &str {
        &self.tokens.iter().find(|(of, _)| *of == role).unwrap().1
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("tokens")
    }

    /// The first line of the response to an upgrade with these headers and this query.
    async fn upgrade(&self, query: &str, headers: &str) -> String {
        let request = handshake(headers).replacen("/v1/ws", &format!("/v1/ws{query}"), 1);
        let mut socket = self.daemon.socket().await;
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut response = Vec::new();
        while !response.ends_with(b"\r\n\r\n") {
            response.push(within(socket.read_u8()).await.unwrap());
        }
        String::from_utf8(response).unwrap()
    }

    async fn client(&self, role: Role) -> Client {
        let mut request = format!("ws://{}/v1/ws", self.daemon.address).into_client_request().unwrap();
        let value = format!("Bearer {}", self.token(role)).parse().unwrap();
        request.headers_mut().insert("Authorization", value);
        client_async(request, self.daemon.socket().await).await.unwrap().0
    }
}

/// A lawful request of each command.
fn requests() -> Vec<(CommandName, Value)> {
    let flow = json!({"source": "any", "destination": "any", "traffic_type": "voice"});
    let payload = |name: &CommandName| match name {
        CommandName::AddNode => json!({"name": "a", "datapath_id": "1"}),
        CommandName::RemoveNode | CommandName::GetNode => json!({"name": "a"}),
        CommandName::InstallFlow => flow.clone(),
        CommandName::InstallFlows => json!({"flows": [flow.clone()]}),
        CommandName::RemoveFlow | CommandName::GetFlow => json!({"flow_id": "a"}),
        CommandName::RemoveFlows => json!({"all": true}),
        CommandName::Subscribe | CommandName::Unsubscribe => {
            json!({"topics": ["nodes", "flows", "stats", "ports", "alarms"]})
        }
        CommandName::Authenticate => json!({"token": "wrong"}),
        CommandName::SetQueues => json!({"node": "s1", "port": 1, "queues": []}),
        CommandName::ListNodes | CommandName::ListFlows | CommandName::GetInfo => json!({}),
    };
    CommandName::ALL.iter().map(|name| (*name, payload(name))).collect()
}

/// What the contract says of each command.
fn needed(name: CommandName) -> Option<Role> {
    match name {
        CommandName::Authenticate => None,
        CommandName::ListNodes
        | CommandName::GetNode
        | CommandName::ListFlows
        | CommandName::GetFlow
        | CommandName::Subscribe
        | CommandName::Unsubscribe
        | CommandName::GetInfo => Some(Role::Viewer),
        CommandName::InstallFlow | CommandName::InstallFlows | CommandName::RemoveFlow | CommandName::RemoveFlows => {
            Some(Role::Operator)
        }
        CommandName::AddNode | CommandName::RemoveNode | CommandName::SetQueues => Some(Role::Admin),
    }
}

async fn ask(client: &mut Client, name: &str, payload: &Value) -> Value {
    let text = json!({"type": name, "id": "q", "payload": payload}).to_string();
    client.send(Message::text(text)).await.unwrap();
    receive(client).await
}

#[tokio::test]
async fn w17_each_role_may_do_what_the_contract_says_and_nothing_else() {
    let guarded = Guarded::start(NorthboundConfig::default()).await;
    for role in [Role::Viewer, Role::Operator, Role::Admin] {
        let mut client = guarded.client(role).await;
        for (name, payload) in requests().into_iter().filter(|(name, _)| *name != CommandName::Authenticate) {
            let answer = ask(&mut client, name.as_str(), &payload).await;
            let is_forbidden = answer["error"]["code"] == "forbidden";
            assert_eq!(is_forbidden, needed(name) > Some(role), "{name} by {role}: {answer}");
        }
    }
    let mut stranger = guarded.daemon.client().await;
    for (name, payload) in requests() {
        assert_eq!(ask(&mut stranger, name.as_str(), &payload).await["error"]["code"], "unauthenticated", "{name}");
    }
}

#[tokio::test]
async fn a_token_gets_in_by_header_by_subprotocol_and_by_query_where_that_is_allowed() {
    let config = NorthboundConfig { query_tokens: true, ..NorthboundConfig::default() };
    let guarded = Guarded::start(config).await;
    let token = guarded.token(Role::Viewer);
    let encoded = BASE64URL_NOPAD.encode(token.as_bytes());
    let accepted = [
        (String::new(), format!("Authorization: Bearer {token}\r\n")),
        (String::new(), format!("authorization: bearer {token}\r\n")),
        (String::new(), format!("Sec-WebSocket-Protocol: flumen.v1.json, flumen.bearer.{encoded}\r\n")),
        (String::new(), format!("Sec-WebSocket-Protocol: flumen.bearer.{encoded},flumen.v1.json\r\n")),
        (format!("?token={token}"), String::new()),
        (format!("?a=b&token={token}"), String::new()),
    ];
    for (query, headers) in accepted {
        let response = guarded.upgrade(&query, &headers).await;
        assert!(response.starts_with("HTTP/1.1 101 "), "{query} {headers}: {response}");
        assert!(!response.contains("flumen.bearer"), "the token is not sent back");
    }
}

#[tokio::test]
async fn w02_a_wrong_token_or_one_in_a_query_that_is_not_allowed_is_refused() {
    let guarded = Guarded::start(NorthboundConfig::default()).await;
    let token = guarded.token(Role::Admin);
    let refused = [
        (String::new(), format!("Authorization: Bearer {token}x\r\n")),
        (String::new(), format!("Authorization: Basic {token}\r\n")),
        (String::new(), format!("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n")),
        (format!("?token={token}"), String::new()),
        (String::new(), "Sec-WebSocket-Protocol: flumen.v1.json, flumen.bearer.!!!\r\n".to_owned()),
    ];
    for (query, headers) in refused {
        let response = guarded.upgrade(&query, &headers).await;
        assert!(response.starts_with("HTTP/1.1 401 "), "{query} {headers}: {response}");
        assert!(response.to_ascii_lowercase().contains("\r\nwww-authenticate: bearer\r\n"));
    }
}

#[tokio::test]
async fn a_token_in_the_first_message_makes_the_connection_its_holders() {
    let guarded = Guarded::start(NorthboundConfig::default()).await;
    let mut client = guarded.daemon.client().await;
    assert_eq!(ask(&mut client, "ListNodes", &json!({})).await["error"]["code"], "unauthenticated");
    let token = json!({"token": guarded.token(Role::Operator)});
    assert_eq!(ask(&mut client, "Authenticate", &token).await["payload"], json!({"role": "operator"}));
    assert_eq!(ask(&mut client, "ListNodes", &json!({})).await["type"], "Reply");
    assert_eq!(ask(&mut client, "RemoveNode", &json!({"name": "a"})).await["error"]["code"], "forbidden");
}

#[tokio::test]
async fn w02_a_client_that_shows_no_token_in_time_is_let_go() {
    let config = NorthboundConfig { handshake_timeout: Duration::from_millis(200), ..NorthboundConfig::default() };
    let guarded = Guarded::start(config).await;
    assert_eq!(goodbye(&mut guarded.daemon.client().await).await, CloseCode::Policy);
    let mut talker = guarded.daemon.client().await;
    talker.send(Message::text("x".repeat(20_000))).await.unwrap();
    assert_eq!(goodbye(&mut talker).await, CloseCode::Policy, "nor is it listened to for long");
}

#[tokio::test]
async fn w02_of_a_stranger_no_more_is_read_than_a_token_needs_however_it_is_cut() {
    let guarded = Guarded::start(NorthboundConfig::default()).await;
    let begun_and_never_ended = [vec![0x81, 0xff, 0, 0, 0, 0, 0, 0x0f, 0, 0, 0, 0, 0, 0], vec![b'x'; 20_000]].concat();
    let many_fragments = [frame(0x01, &[b'x'; 1_000]), frame(0x00, &[b'x'; 1_000]).repeat(20)].concat();
    for bytes in [begun_and_never_ended, many_fragments] {
        let mut socket = guarded.daemon.raw_client().await;
        socket.write_all(&bytes).await.unwrap();
        let mut answer = Vec::new();
        within(socket.read_to_end(&mut answer)).await.unwrap();
        assert_eq!(answer.get(..4), Some([0x88, answer[1], 0x03, 0xf0].as_slice()), "a Close with 1008: {answer:x?}");
    }
    let mut known = guarded.client(Role::Viewer).await;
    known.send(Message::text(format!("{:60000}", r#"{"type":"ListNodes","id":"a"}"#))).await.unwrap();
    assert_eq!(receive(&mut known).await["type"], "Reply", "who is known may say more");
    let mut shown = guarded.daemon.client().await;
    let token = json!({"token": guarded.token(Role::Viewer)});
    assert_eq!(ask(&mut shown, "Authenticate", &token).await["type"], "Reply");
    shown.send(Message::text(format!("{:60000}", r#"{"type":"ListNodes","id":"a"}"#))).await.unwrap();
    assert_eq!(receive(&mut shown).await["type"], "Reply", "and who has shown a token, too");
}

#[tokio::test]
async fn w14_a_place_that_is_kept_for_admins_is_held_by_no_stranger_for_long() {
    let config = NorthboundConfig {
        connections: 20,
        handshake_timeout: Duration::from_secs(3_600),
        ..NorthboundConfig::default()
    };
    let guarded = Guarded::start(config).await;
    let mut crowd = Vec::new();
    for _ in 0..20 {
        crowd.push(guarded.daemon.socket().await);
    }
    // The last of them says nothing and is let go although the others may take an hour.
    let last = crowd.last_mut().unwrap();
    let mut nothing = Vec::new();
    let _ = within(last.read_to_end(&mut nothing)).await;
    let admin = format!("Authorization: Bearer {}\r\n", guarded.token(Role::Admin));
    let response = within(async {
        loop {
            let response = guarded.upgrade("", &admin).await;
            if !response.starts_with("HTTP/1.1 503 ") {
                break response;
            }
        }
    })
    .await;
    assert!(response.starts_with("HTTP/1.1 101 "), "{response}");
}

#[tokio::test]
async fn an_id_in_flight_is_a_conflict_for_authenticate_too() {
    let directory = tempfile::tempdir().unwrap();
    let config = NorthboundConfig { tokens: Some(directory.path().join("tokens")), ..NorthboundConfig::default() };
    let (daemon, mut requests) = Daemon::start(config).await;
    let mut client = daemon.client().await;
    client.send(list_nodes("q")).await.unwrap();
    let first = within(requests.recv()).await.unwrap();
    assert_eq!(ask(&mut client, "Authenticate", &json!({"token": "x"})).await["error"]["code"], "conflict");
    first.answer.send(answer_to(&Command::ListNodes)).unwrap();
    assert_eq!(receive(&mut client).await["type"], "Reply");
    assert_eq!(ask(&mut client, "Authenticate", &json!({"token": "x"})).await["type"], "Reply");
}

#[tokio::test]
async fn an_id_in_flight_is_a_conflict_whatever_else_is_wrong_with_the_request() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens");
    let config = NorthboundConfig { tokens: Some(path.clone()), ..NorthboundConfig::default() };
    let mut tokens = Tokens::default();
    let token = tokens.add("v".parse().unwrap(), Role::Viewer).unwrap();
    tokens.save(&path).unwrap();
    let (daemon, mut requests) = Daemon::start(config).await;
    let mut client = daemon.client().await;
    ask(&mut client, "Authenticate", &json!({"token": token})).await;
    client.send(list_nodes("q")).await.unwrap();
    let first = within(requests.recv()).await.unwrap();
    for (command, payload) in [
        ("ListNodes", json!({})),
        ("RemoveFlow", json!({"flow_id": "a"})),
        ("GetFlow", json!({"flow_id": 5})),
        ("Frobnicate", json!({})),
    ] {
        let answer = ask(&mut client, command, &payload).await;
        assert_eq!((&answer["id"], &answer["error"]["code"]), (&"q".into(), &"conflict".into()), "{command}");
    }
    first.answer.send(answer_to(&Command::ListNodes)).unwrap();
    assert_eq!(receive(&mut client).await["type"], "Reply");
    assert_eq!(ask(&mut client, "RemoveFlow", &json!({"flow_id": "a"})).await["error"]["code"], "forbidden");
}

#[tokio::test]
async fn w19_who_guesses_is_told_so_and_keeps_out_nobody_from_the_same_address() {
    let guarded = Guarded::start(NorthboundConfig::default()).await;
    let mut client = guarded.daemon.client().await;
    let wrong = json!({"token": "flumen_wrong"});
    let mut messages = Vec::new();
    for _ in 0..6 {
        messages.push(ask(&mut client, "Authenticate", &wrong).await["error"]["message"].as_str().unwrap().to_owned());
    }
    assert!(messages[..5].iter().all(|message| message.contains("not one that is known")), "{messages:?}");
    assert!(messages[5].contains("too many"), "{messages:?}");
    let right = format!("Authorization: Bearer {}\r\n", guarded.token(Role::Admin));
    assert!(guarded.upgrade("", &right).await.starts_with("HTTP/1.1 101 "), "another one's guesses are not ours");
    assert!(guarded.upgrade("", "Authorization: Bearer flumen_wrong\r\n").await.starts_with("HTTP/1.1 429 "));
}

#[tokio::test]
async fn a_token_that_is_revoked_ends_the_connections_of_its_holder_and_no_others() {
    let guarded = Guarded::start(NorthboundConfig::default()).await;
    let mut viewer = guarded.client(Role::Viewer).await;
    let mut admin = guarded.client(Role::Admin).await;
    let mut tokens = Tokens::load(&guarded.file()).unwrap();
    tokens.revoke(&"viewer".parse().unwrap()).unwrap();
    tokens.save(&guarded.file()).unwrap();
    assert_eq!(goodbye(&mut viewer).await, CloseCode::Policy);
    assert_eq!(ask(&mut admin, "ListNodes", &json!({})).await["type"], "Reply");
    tokens.revoke(&"operator".parse().unwrap()).unwrap();
    tokens.revoke(&"admin".parse().unwrap()).unwrap();
    tokens.save(&guarded.file()).unwrap();
    assert_eq!(goodbye(&mut admin).await, CloseCode::Policy);
    let mut nobody = guarded.daemon.client().await;
    let answer = ask(&mut nobody, "ListNodes", &json!({})).await;
    assert_eq!(answer["error"]["code"], "unauthenticated", "without tokens nobody gets in any more");
}

#[tokio::test]
async fn a_first_token_ends_the_time_when_everybody_was_let_in() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("tokens");
    let config = NorthboundConfig { tokens: Some(file.clone()), ..NorthboundConfig::default() };
    let daemon = Daemon::answering(config).await;
    let mut early = daemon.client().await;
    assert_eq!(ask(&mut early, "ListNodes", &json!({})).await["type"], "Reply");
    assert_eq!(ask(&mut early, "Authenticate", &json!({"token": "any"})).await["payload"]["role"], "admin");
    let mut tokens = Tokens::default();
    tokens.add("a".parse().unwrap(), Role::Viewer).unwrap();
    tokens.save(&file).unwrap();
    assert_eq!(goodbye(&mut early).await, CloseCode::Policy);
}

#[tokio::test]
async fn w14_when_it_is_crowded_an_admin_still_gets_in() {
    let guarded = Guarded::start(NorthboundConfig { connections: 20, ..NorthboundConfig::default() }).await;
    let mut crowd = Vec::new();
    for _ in 0..19 {
        crowd.push(guarded.client(Role::Viewer).await);
    }
    let viewer = format!("Authorization: Bearer {}\r\n", guarded.token(Role::Viewer));
    assert!(guarded.upgrade("", &viewer).await.starts_with("HTTP/1.1 503 "));
    let enter = async {
        loop {
            // The place of the one that was refused is free a moment later.
            let mut request = format!("ws://{}/v1/ws", guarded.daemon.address).into_client_request().unwrap();
            let token = format!("Bearer {}", guarded.token(Role::Admin));
            request.headers_mut().insert("Authorization", token.parse().unwrap());
            if let Ok((client, _)) = client_async(request, guarded.daemon.socket().await).await {
                break client;
            }
        }
    };
    let mut admin = within(enter).await;
    assert_eq!(ask(&mut admin, "ListNodes", &json!({})).await["type"], "Reply");
}

#[tokio::test]
async fn clients_speak_tls_and_a_renewed_certificate_is_used_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let files = TlsFiles { certificate: directory.path().join("cert.pem"), key: directory.path().join("key.pem") };
    let write = || {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&files.certificate, made.cert.pem()).unwrap();
        std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
        made.cert.der().clone()
    };
    let first = write();
    let tls = Arc::new(Tls::load(files.clone()).unwrap());
    let config = NorthboundConfig { tls: Some(Arc::clone(&tls)), ..NorthboundConfig::default() };
    let daemon = Daemon::answering(config).await;
    assert!(speaks_tls(&daemon, &first).await);
    let renewed = write();
    tls.reload().unwrap();
    assert!(speaks_tls(&daemon, &renewed).await && !speaks_tls(&daemon, &first).await);
    std::fs::write(&files.certificate, "").unwrap();
    assert!(tls.reload().is_err());
    assert!(speaks_tls(&daemon, &renewed).await, "the old one stays in use");
}

/// A client's end of TLS that trusts this certificate.
pub(super) fn connector(trusted: &CertificateDer<'static>) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = versions.unwrap().with_root_certificates(roots).with_no_client_auth();
    Arc::new(config).into()
}

/// Whether a client that trusts this certificate is answered.
async fn speaks_tls(daemon: &Daemon, trusted: &CertificateDer<'static>) -> bool {
    let name = "localhost".try_into().unwrap();
    let Ok(stream) = connector(trusted).connect(name, daemon.socket().await).await else { return false };
    let (mut client, _) = client_async(format!("ws://{}/v1/ws", daemon.address), stream).await.unwrap();
    client.send(list_nodes("a")).await.unwrap();
    matches!(within(client.next()).await, Some(Ok(Message::Text(text))) if text.contains("Reply"))
}
