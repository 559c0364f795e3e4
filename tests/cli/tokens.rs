//! Tokens, TLS and the audit log, with the daemon and the command line as processes.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::{self, JoinHandle};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use serde_json::Value;
use tempfile::TempDir;

use crate::binary::{Ended, flumen, run};

struct Daemon {
    directory: TempDir,
    child: Child,
    port: u16,
    log: JoinHandle<String>,
}

impl Daemon {
    fn start(directory: TempDir, more: &[&str]) -> Self {
        let data = directory.path().to_str().unwrap();
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--openflow", "127.0.0.1:0", "--data", data];
        let json = ["--log-format", "json", "--log", "trace"];
        let arguments = [&arguments[..], &json, more].concat();
        let mut child = flumen(arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        let port = loop {
            let mut line = String::new();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "it ended early: {log}");
            log.push_str(&line);
            let entry: Value = serde_json::from_str(&line).unwrap();
            if entry["fields"]["message"] == "ready" {
                let address = entry["fields"]["northbound"].as_str().unwrap();
                break address.rsplit_once(':').unwrap().1.parse().unwrap();
            }
        };
        let log = thread::spawn(move || {
            lines.read_to_string(&mut log).unwrap();
            log
        });
        Self { directory, child, port, log }
    }

    /// Ends it; everything that it logged.
    fn end(mut self) -> (TempDir, String) {
        let ended = std::process::Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(ended.unwrap().success() && self.child.wait().unwrap().success());
        (self.directory, self.log.join().unwrap())
    }
}

fn token(data: &Path, arguments: &[&str]) -> Ended {
    run(&mut flumen(["token", "--data", data.to_str().unwrap()].into_iter().chain(arguments.iter().copied())))
}

#[test]
fn a_token_is_made_listed_without_its_secret_and_revoked() {
    let directory = tempfile::tempdir().unwrap();
    let none = token(directory.path(), &["list"]).with(0);
    assert!(none.stdout.is_empty() && none.stderr.contains("No tokens in"), "{none:?}");
    let made = token(directory.path(), &["add", "noc", "--role", "operator"]).with(0);
    assert!(made.stdout.starts_with("flumen_") && made.stdout.lines().count() == 1, "{}", made.stdout);
    assert!(token(directory.path(), &["add", "noc"]).with(1).stderr.contains("noc"));
    let listed = token(directory.path(), &["list"]).with(0).stdout;
    assert!(listed.contains("noc") && listed.contains("operator") && !listed.contains(made.stdout.trim()), "{listed}");
    let json: Value = serde_json::from_str(&token(directory.path(), &["list", "--json"]).with(0).stdout).unwrap();
    assert_eq!((&json["tokens"][0]["name"], &json["tokens"][0]["role"]), (&"noc".into(), &"operator".into()));
    token(directory.path(), &["revoke", "noc"]).with(0);
    assert!(token(directory.path(), &["revoke", "noc"]).with(1).stderr.contains("no token noc"));
}

#[test]
fn a_token_file_that_is_named_and_not_there_keeps_the_daemon_from_starting() {
    let place = tempfile::tempdir().unwrap();
    let (data, missing) = (place.path().join("data"), place.path().join("typo.tokens"));
    let arguments = ["serve", "--data", data.to_str().unwrap(), "--tokens", missing.to_str().unwrap()];
    let refused = run(&mut flumen(arguments)).with(2);
    assert!(
        refused.stderr.contains("there is no token file") && refused.stderr.contains("typo.tokens"),
        "{}",
        refused.stderr
    );
}

#[test]
fn over_tls_each_token_does_what_its_role_may_and_the_audit_log_tells() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (cert, key, audit) = (path("cert.pem"), path("key.pem"), path("audit.json"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let add = |name: &str| token(directory.path(), &["add", name, "--role", name]).with(0).stdout;
    let secrets = ["viewer", "admin"].map(|name| (name, add(name)));
    let files = secrets.clone().map(|(name, secret)| {
        fs::write(path(name), secret).unwrap();
        path(name)
    });
    let stranger = path("stranger");
    fs::write(&stranger, "flumen_stranger").unwrap();
    let daemon = Daemon::start(directory, &["--tls-cert", &cert, "--tls-key", &key, "--audit-log", &audit]);
    let url = format!("wss://localhost:{}", daemon.port);
    let ask = |arguments: &[&str]| run(&mut flumen(["--url", &url].into_iter().chain(arguments.iter().copied())));
    assert!(ask(&["info"]).with(3).stderr.contains("certificate"), "nobody vouches for it");
    assert!(ask(&["--ca", &cert, "info"]).with(1).stderr.contains("token"));
    let unknown = ask(&["--ca", &cert, "--token-file", &stranger, "info"]).with(1).stderr;
    assert!(unknown.contains("hint: show a token that the daemon knows"), "{unknown}");
    ask(&["--ca", &cert, "--token-file", &files[0], "info"]).with(0);
    let add = ["node", "add", "s1", "--datapath-id", "1"];
    let denied = ask(&[&["--ca", &cert, "--token-file", &files[0]], &add[..]].concat()).with(1);
    assert!(denied.stderr.contains("admin"), "{}", denied.stderr);
    ask(&[&["--ca", &cert, "--token-file", &files[1]], &add[..]].concat()).with(0);
    let (_directory, log) = daemon.end();
    let audit = fs::read_to_string(&audit).unwrap();
    let entries: Vec<Value> = audit.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let told: Vec<_> = entries.iter().map(|entry| (&entry["who"], &entry["subject"], &entry["outcome"])).collect();
    let (s1, viewer, admin) = (Value::from("s1"), Value::from("viewer"), Value::from("admin"));
    assert_eq!(told, [(&viewer, &s1, &"forbidden".into()), (&admin, &s1, &"ok".into())]);
    assert!(entries.iter().all(|entry| entry["request_id"].is_string() && entry["timestamp"].is_string()));
    for (_, secret) in &secrets {
        assert!(!log.contains(secret.trim()) && !audit.contains(secret.trim()));
    }
}

#[test]
fn what_tls_finds_wrong_is_said_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let keep = |name: &str, is_ca| {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.is_ca = is_ca;
        let key = KeyPair::generate().unwrap();
        let (cert, key_file) = (path(&format!("{name}.pem")), path(&format!("{name}.key")));
        fs::write(&cert, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&key_file, key.serialize_pem()).unwrap();
        (cert, key_file)
    };
    let (cert, key) = keep("daemon", IsCa::NoCa);
    let (authority, authority_key) = keep("authority", IsCa::Ca(BasicConstraints::Unconstrained));
    let place = || tempfile::tempdir().unwrap();
    let daemon = Daemon::start(place(), &["--tls-cert", &cert, "--tls-key", &key]);
    let of_authority = Daemon::start(place(), &["--tls-cert", &authority, "--tls-key", &authority_key]);
    let plain = Daemon::start(place(), &[]);
    let (tls, ca, plain_port) = (daemon.port, of_authority.port, plain.port);
    for (url, more, words) in [
        (format!("wss://localhost:{tls}"), vec![], ["authority that is not trusted here", "hint: --ca FILE"]),
        (
            format!("wss://127.0.0.1:{tls}"),
            vec!["--ca", &cert],
            ["its certificate is for localhost, not for that name", "hint: --url takes the name"],
        ),
        (
            format!("wss://localhost:{ca}"),
            vec!["--ca", &authority],
            ["an authority's own", "hint: make it with basicConstraints=CA:FALSE"],
        ),
        // rcgen gives both the same name.
        (
            format!("wss://localhost:{tls}"),
            vec!["--ca", &authority],
            ["has not that one's signature", "hint: --ca FILE names another authority of the same name"],
        ),
        (format!("wss://localhost:{tls}"), vec!["--ca", &key], ["there is no certificate in it", "hint: --ca FILE"]),
        (format!("ws://localhost:{tls}"), vec![], ["it does not speak HTTP", &format!("--url wss://localhost:{tls}")]),
        (
            format!("wss://localhost:{plain_port}"),
            vec![],
            ["does not speak TLS", &format!("--url ws://localhost:{plain_port}")],
        ),
        (format!("ws://localhost:{plain_port}/nix"), vec![], ["HTTP 404", "/v1/ws"]),
    ] {
        let told = run(&mut flumen(["--url", &url].into_iter().chain(more).chain(["info"]))).with(3).stderr;
        assert!(told.lines().count() == 2 && words.iter().all(|word| told.contains(word)), "{url}: {told}");
    }
    for daemon in [daemon, of_authority, plain] {
        daemon.end();
    }
}

#[test]
fn w02_no_token_is_ever_in_the_log_however_it_is_shown() {
    let directory = tempfile::tempdir().unwrap();
    token(directory.path(), &["add", "a"]).with(0);
    let daemon = Daemon::start(directory, &["--query-tokens"]);
    let shown: Vec<String> = (0..300).map(|number| format!("secret{number:08}secret")).collect();
    for (number, secret) in shown.iter().enumerate() {
        let encoded: String = data_encoding::BASE64URL_NOPAD.encode(secret.as_bytes());
        let (query, header) = match number % 3 {
            0 => (String::new(), format!("Authorization: Bearer {secret}\r\n")),
            1 => (format!("?token={secret}"), String::new()),
            _ => (String::new(), format!("Sec-WebSocket-Protocol: flumen.v1.json, flumen.bearer.{encoded}\r\n")),
        };
        let mut socket = TcpStream::connect(("127.0.0.1", daemon.port)).unwrap();
        let request = format!(
            "GET /v1/ws{query} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{header}\r\n"
        );
        socket.write_all(request.as_bytes()).unwrap();
        let mut response = String::new();
        socket.read_to_string(&mut response).unwrap();
        assert!(response.starts_with("HTTP/1.1 4"), "{response}");
    }
    let (_directory, log) = daemon.end();
    assert!(log.contains("a wrong token was shown"));
    for secret in &shown {
        let encoded = data_encoding::BASE64URL_NOPAD.encode(secret.as_bytes());
        assert!(!log.contains(secret) && !log.contains(&encoded), "{secret}");
    }
}
