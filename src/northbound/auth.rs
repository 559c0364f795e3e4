//! Who is asking: tokens shown at the upgrade or in the first message, and what comes of wrong ones.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use data_encoding::BASE64URL_NOPAD;
use hyper::header::{self, HeaderMap};
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::canonical;
use crate::contract::Role;
use crate::tokens::{Holder, Tokens};

/// How often the token file is looked at.
const LOOK: Duration = Duration::from_secs(1);
/// Wrong tokens that one address may show in a second.
const FAILURES_PER_SECOND: u32 = 5;
/// Addresses whose failures are remembered; beyond them the oldest are forgotten, which only an attacker from so many
/// addresses within a second can bring about.
const ADDRESSES: usize = 16_384;
/// The subprotocol that carries a token, for browsers, which cannot set headers.
const BEARER_SUBPROTOCOL: &str = "flumen.bearer.";

/// What the daemon knows of tokens.
#[derive(Debug)]
pub(super) struct Auth {
    file: Option<PathBuf>,
    /// A token may come in the query of the address, where logs of others can see it.
    allow_query: bool,
    state: watch::Sender<State>,
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

/// The tokens at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    tokens: Arc<Tokens>,
    /// There is, or was since the start, a token: without one nobody gets in any more.
    is_required: bool,
    seen: Option<(SystemTime, u64)>,
    /// The file could not be used when it was last looked at, which is told once.
    is_failing: bool,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    since: Instant,
    count: u32,
}

/// What a connection was let in with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Grant {
    /// No tokens are configured: everybody may do everything.
    Open,
    /// A token was shown.
    Token(Holder),
    /// None was, so far.
    Nothing,
}

/// Why a token was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    Wrong,
    TooMany,
    InQuery,
}

impl Grant {
    /// What the holder may do.
    pub(super) fn role(&self) -> Option<Role> {
        match self {
            Self::Open => Some(Role::Admin),
            Self::Token(holder) => Some(holder.role),
            Self::Nothing => None,
        }
    }

    /// Who it is, for the log.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Open => "anybody",
            Self::Token(holder) => holder.name.as_str(),
            Self::Nothing => "nobody",
        }
    }
}

impl State {
    /// Whether the grant still stands.
    pub(super) fn honours(&self, grant: &Grant) -> bool {
        match grant {
            Grant::Open => !self.is_required,
            Grant::Token(holder) => self.tokens.contains(holder),
            Grant::Nothing => true,
        }
    }
}

impl Auth {
    /// Reads the tokens. While the file cannot be used, nobody gets in.
    pub(super) fn new(file: Option<PathBuf>, allow_query: bool) -> Self {
        let loaded = file.as_deref().map(Tokens::load).transpose();
        if let Err(error) = &loaded {
            error!(%error, "nobody gets in until that is mended");
        }
        // A file that is there has had tokens: when the last of them is revoked, nobody gets in, also after a restart.
        let is_required = loaded.is_err() || file.as_deref().is_some_and(Path::exists);
        let tokens = Arc::new(loaded.ok().flatten().unwrap_or_default());
        let state = State { tokens, is_required, seen: None, is_failing: false };
        Self { file, allow_query, state: watch::Sender::new(state), failures: Mutex::default() }
    }

    /// Looks at the file now and then, for ever.
    pub(super) async fn follow(&self) {
        loop {
            tokio::time::sleep(LOOK).await;
            self.look();
        }
    }

    fn look(&self) {
        let Some(file) = &self.file else { return };
        let seen = std::fs::metadata(file).and_then(|about| Ok((about.modified()?, about.len()))).ok();
        if seen == self.state.borrow().seen {
            return;
        }
        match Tokens::load(file) {
            Ok(tokens) => {
                let is_news = *self.state.borrow().tokens != tokens;
                self.state.send_modify(|state| {
                    state.is_required |= seen.is_some();
                    (state.tokens, state.seen, state.is_failing) = (Arc::new(tokens), seen, false);
                });
                if is_news {
                    info!("read the tokens again");
                }
            }
            Err(error) => {
                // What was not read was not seen: who may read it can change without the file changing.
                if !self.state.borrow().is_failing {
                    error!(%error, "the old tokens stay in use");
                    self.state.send_modify(|state| state.is_failing = true);
                }
            }
        }
    }

    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Whether a token must be shown.
    pub(super) fn is_required(&self) -> bool {
        self.state.borrow().is_required
    }

    /// What a connection has shown with its request to upgrade.
    pub(super) fn at_upgrade(&self, headers: &HeaderMap, query: Option<&str>, peer: IpAddr) -> Result<Grant, Denied> {
        if !self.is_required() {
            return Ok(Grant::Open);
        }
        let in_query = query.and_then(|query| query.split('&').find_map(|pair| pair.strip_prefix("token=")));
        if in_query.is_some() && !self.allow_query {
            return Err(Denied::InQuery);
        }
        let mut shown: Vec<String> = Vec::new();
        for value in headers.get_all(header::AUTHORIZATION) {
            let (scheme, token) = value.to_str().ok().and_then(|value| value.split_once(' ')).unwrap_or_default();
            shown.push(if scheme.eq_ignore_ascii_case("bearer") { token.trim().to_owned() } else { String::new() });
        }
        let offers = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
        for offer in offers.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(',')) {
            if let Some(encoded) = offer.trim().strip_prefix(BEARER_SUBPROTOCOL) {
                let decoded = BASE64URL_NOPAD.decode(encoded.trim_end_matches('=').as_bytes()).unwrap_or_default();
                shown.push(String::from_utf8(decoded).unwrap_or_default());
            }
        }
        shown.extend(in_query.map(str::to_owned));
        match shown.as_slice() {
            [] => Ok(Grant::Nothing),
            [token] => self.check(token, peer),
            // One of them is not the client's.
            _ => Err(Denied::Wrong),
        }
    }

    /// Whose token it is. A right one is always taken: who shares an address with somebody who guesses is not kept out.
    /// Of wrong ones so many in a second are looked at and told of; the others are refused without a word in the log.
    pub(super) fn check(&self, token: &str, peer: IpAddr) -> Result<Grant, Denied> {
        if !self.is_required() {
            return Ok(Grant::Open);
        }
        if let Some(holder) = self.state.borrow().tokens.holder(token) {
            return Ok(Grant::Token(holder.clone()));
        }
        let now = Instant::now();
        let origin = network(peer);
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let is_recent = |failures: &Failures| now.duration_since(failures.since) < Duration::from_secs(1);
        if failures.get(&origin).is_some_and(|failures| is_recent(failures) && failures.count >= FAILURES_PER_SECOND) {
            return Err(Denied::TooMany);
        }
        if failures.len() >= ADDRESSES {
            failures.retain(|_, failures| is_recent(failures));
            forget_oldest(&mut failures);
        }
        let entry = failures.entry(origin).or_insert(Failures { since: now, count: 0 });
        if !is_recent(entry) {
            *entry = Failures { since: now, count: 0 };
        }
        entry.count += 1;
        warn!(%peer, "a wrong token was shown");
        Err(Denied::Wrong)
    }
}

/// Makes room where there is none: a quarter goes, so that this is seldom to be done.
fn forget_oldest(failures: &mut HashMap<IpAddr, Failures>) {
    if failures.len() >= ADDRESSES {
        let mut times: Vec<Instant> = failures.values().map(|failures| failures.since).collect();
        let (_, latest, _) = times.select_nth_unstable(ADDRESSES / 4);
        failures.retain(|_, failures| failures.since > *latest);
    }
}

/// Where guesses are counted: an address, or the /64 that one subscriber of an IPv6 network has.
pub(super) fn network(peer: IpAddr) -> IpAddr {
    match canonical(peer) {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::path::Path;

    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    /// Writes the file so that its length and its time are always the same.
    fn write(path: &Path, text: &str) {
        fs::write(path, format!("{text:<400}")).unwrap();
        File::options().write(true).open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }

    fn guarded(path: &Path) -> (Auth, String) {
        let mut tokens = Tokens::default();
        let token = tokens.add("noc".parse().unwrap(), Role::Operator).unwrap();
        tokens.save(path).unwrap();
        (Auth::new(Some(path.to_owned()), false), token)
    }

    #[test]
    fn after_the_last_token_is_revoked_nobody_gets_in_also_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens");
        let (auth, _) = guarded(&path);
        Tokens::default().save(&path).unwrap();
        auth.look();
        assert!(auth.is_required());
        assert!(Auth::new(Some(path.clone()), false).is_required());
        fs::remove_file(&path).unwrap();
        assert!(!Auth::new(Some(path), false).is_required());
    }

    #[tokio::test(start_paused = true)]
    async fn guesses_from_very_many_addresses_make_only_the_oldest_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let (auth, _) = guarded(&directory.path().join("tokens"));
        let address = |number: usize| IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
        let guess = |number| auth.check("flumen_wrong", address(number));
        for number in 0..ADDRESSES {
            assert_eq!(guess(number), Err(Denied::Wrong));
            tokio::time::advance(Duration::from_micros(10)).await;
        }
        let last = ADDRESSES - 1;
        (1..FAILURES_PER_SECOND).for_each(|_| drop(guess(last)));
        assert_eq!(guess(last), Err(Denied::TooMany));
        assert_eq!(guess(ADDRESSES), Err(Denied::Wrong), "there is room for one more");
        assert_eq!(guess(last), Err(Denied::TooMany), "and the others are remembered");
    }

    #[test]
    fn a_file_that_could_not_be_read_is_looked_at_until_it_can_be() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens");
        let (auth, token) = guarded(&path);
        write(&path, "not a token");
        auth.look();
        assert!(auth.check(&token, PEER).is_ok());
        write(&path, "# revoked");
        auth.look();
        assert_eq!(auth.check(&token, PEER), Err(Denied::Wrong));
    }
}
