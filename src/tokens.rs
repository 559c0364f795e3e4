//! Bearer tokens at rest: a file of names, roles and SHA-256 hashes, and the way from a token to who shows it.
//!
//! A token is 256 random bits, so a plain hash is as good as a slow one, and whoever reads the file cannot make a token
//! of it. The file is small text, written as a whole and only by `flumen token`; the daemon reads it again when it has
//! changed.

use std::fmt::{self, Write as _};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::contract::{NodeName, Role, Timestamp};

/// The name of the file in the daemon's data directory.
pub const FILE_NAME: &str = "tokens";

/// What every token begins with, so that people and secret scanners know one when they see it.
const PREFIX: &str = "flumen_";
const RANDOM_BYTES: usize = 32;
const HASH_BYTES: usize = 32;

const HEADER: &str = "# Written by 'flumen token': name, role, SHA-256 of the token, when it was made.\n";

/// Who shows a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The token's name: the words that are lawful for a node are for a token.
    pub name: NodeName,
    /// What the holder may do.
    pub role: Role,
    /// When the token was made.
    pub created: Timestamp,
    hash: [u8; HASH_BYTES],
}

/// The tokens there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens(Vec<Holder>);

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// The system says no.
    #[error("cannot use the token file {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        source: io::Error,
    },
    /// A line is not as `flumen token` writes it.
    #[error("line {line} of the token file {path} is not NAME ROLE HASH TIME, as 'flumen token' writes it")]
    Line {
        /// The file.
        path: String,
        /// The line, counted from 1.
        line: usize,
    },
    /// A name is taken.
    #[error("there is a token {0} already; revoke it first, or choose another name")]
    Taken(NodeName),
    /// A name means nothing.
    #[error("there is no token {0}")]
    Unknown(NodeName),
    /// The system has no random bytes.
    #[error("the system gives no random bytes")]
    NoRandomness,
}

impl Tokens {
    /// Reads the file; one that is not there has no tokens.
    ///
    /// # Errors
    /// [`TokensError::Io`] and [`TokensError::Line`].
    pub fn load(path: &Path) -> Result<Self, TokensError> {
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(|line| TokensError::Line { path: path.display().to_string(), line }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(TokensError::Io { path: path.display().to_string(), source }),
        }
    }

    /// The number of the first line that is wrong is the error.
    fn parse(text: &str) -> Result<Self, usize> {
        let mut tokens = Self::default();
        for (index, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let holder = parse_line(line).filter(|holder| tokens.named(&holder.name).is_none()).ok_or(index + 1)?;
            tokens.0.push(holder);
        }
        Ok(tokens)
    }

    /// Writes the file as a whole: whoever reads it sees the old one or the new one.
    ///
    /// # Errors
    /// [`TokensError::Io`].
    pub fn save(&self, path: &Path) -> Result<(), TokensError> {
        let failed = |source| TokensError::Io { path: path.display().to_string(), source };
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        let new = path.with_extension("new");
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(self.to_string().as_bytes())?;
            // Where root revokes a token, the daemon must still be able to read the file; others cannot give files away.
            if let Ok(old) = fs::metadata(path)
                && let Err(error) = fchown(&file, Some(old.uid()), Some(old.gid()))
            {
                tracing::debug!(%error, "the token file changes its owner");
            }
            file.sync_all()?;
            fs::rename(&new, path)
        };
        write().map_err(failed)
    }

    /// Changes the file: reads it, and writes what was made of it. Others who do so at the same time take turns.
    ///
    /// # Errors
    /// Those of [`Tokens::load`], [`Tokens::save`] and of the change.
    pub fn change<T>(path: &Path, change: impl FnOnce(&mut Self) -> Result<T, TokensError>) -> Result<T, TokensError> {
        let failed = |source| TokensError::Io { path: path.display().to_string(), source };
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        // The file itself is replaced, so that whoever waits for a lock on it would wait for the wrong one.
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path.with_extension("lock"));
        let lock = lock.map_err(failed)?;
        lock.lock().map_err(failed)?;
        let mut tokens = Self::load(path)?;
        let changed = change(&mut tokens)?;
        tokens.save(path)?;
        Ok(changed)
    }

    /// Makes a token. It is shown here once and never again.
    ///
    /// # Errors
    /// [`TokensError::Taken`] and [`TokensError::NoRandomness`].
    pub fn add(&mut self, name: NodeName, role: Role) -> Result<String, TokensError> {
        if self.named(&name).is_some() {
            return Err(TokensError::Taken(name));
        }
        let mut random = [0; RANDOM_BYTES];
        SystemRandom::new().fill(&mut random).map_err(|_| TokensError::NoRandomness)?;
        let token = format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&random));
        self.0.push(Holder { name, role, created: Timestamp::now(), hash: hash(&token) });
        Ok(token)
    }

    /// Forgets a token.
    ///
    /// # Errors
    /// [`TokensError::Unknown`].
    pub fn revoke(&mut self, name: &NodeName) -> Result<(), TokensError> {
        let before = self.0.len();
        self.0.retain(|holder| holder.name != *name);
        if self.0.len() == before { Err(TokensError::Unknown(name.clone())) } else { Ok(()) }
    }

    /// Whose token it is. How long that takes does not depend on what is right about it: hashes are compared whole, and
    /// all of them.
    #[must_use]
    pub fn holder(&self, token: &str) -> Option<&Holder> {
        let shown = hash(token);
        let mut found = None;
        for holder in &self.0 {
            if bool::from(holder.hash.ct_eq(&shown)) {
                found = Some(holder);
            }
        }
        found
    }

    /// Whether this token is still there as it was.
    #[must_use]
    pub fn contains(&self, holder: &Holder) -> bool {
        self.0.contains(holder)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, in the order in which they were made.
    pub fn iter(&self) -> impl Iterator<Item = &Holder> {
        self.0.iter()
    }

    fn named(&self, name: &NodeName) -> Option<&Holder> {
        self.0.iter().find(|holder| holder.name == *name)
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(HEADER)?;
        for Holder { name, role, hash, created } in &self.0 {
            writeln!(formatter, "{name} {role} {} {created}", HEXLOWER.encode(hash))?;
        }
        formatter.write_char('\n')
    }
}

fn parse_line(line: &str) -> Option<Holder> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [name, role, hash, created] = words.as_slice() else { return None };
    Some(Holder {
        name: name.parse().ok()?,
        role: role.parse().ok()?,
        created: created.parse().ok()?,
        hash: HEXLOWER.decode(hash.as_bytes()).ok()?.try_into().ok()?,
    })
}

fn hash(token: &str) -> [u8; HASH_BYTES] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> NodeName {
        name.parse().unwrap()
    }

    #[test]
    fn a_token_is_known_by_its_hash_alone() {
        let mut tokens = Tokens::default();
        let token = tokens.add(name("noc"), Role::Operator).unwrap();
        assert!(token.starts_with(PREFIX) && token.len() > 40);
        let text = tokens.to_string();
        assert!(!text.contains(&token) && !text.contains(&token[PREFIX.len()..]));
        let read = Tokens::parse(&text).unwrap();
        assert_eq!(read.holder(&token).map(|holder| holder.role), Some(Role::Operator));
        for wrong in ["", &token[1..], &token.to_lowercase(), &format!("{token} ")] {
            assert_eq!(read.holder(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_file_is_written_for_its_owner_alone_and_read_back_equal() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data/tokens");
        let mut tokens = Tokens::load(&path).unwrap();
        assert!(tokens.is_empty());
        tokens.add(name("a"), Role::Viewer).unwrap();
        tokens.add(name("b"), Role::Admin).unwrap();
        tokens.save(&path).unwrap();
        assert_eq!(Tokens::load(&path).unwrap(), tokens);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn changes_at_the_same_time_lose_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("data/tokens");
        std::thread::scope(|scope| {
            for number in 0..20 {
                let path = &path;
                scope.spawn(move || {
                    let add = |tokens: &mut Tokens| tokens.add(name(&format!("t{number}")), Role::Viewer);
                    Tokens::change(path, add).unwrap();
                });
            }
        });
        assert_eq!(Tokens::load(&path).unwrap().iter().count(), 20);
        let taken = Tokens::change(&path, |tokens| tokens.add(name("t7"), Role::Admin));
        assert!(matches!(taken, Err(TokensError::Taken(_))), "{taken:?}");
    }

    #[test]
    fn a_file_that_is_replaced_keeps_its_owner() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens");
        Tokens::default().save(&path).unwrap();
        // Only root can give a file away; for others the owner is the same anyway.
        let _ = std::os::unix::fs::chown(&path, Some(12_345), Some(12_345));
        let owner = |about: fs::Metadata| (about.uid(), about.gid());
        let before = owner(fs::metadata(&path).unwrap());
        Tokens::default().save(&path).unwrap();
        assert_eq!(owner(fs::metadata(&path).unwrap()), before);
    }

    #[test]
    fn a_name_is_given_once_and_revoked_once() {
        let mut tokens = Tokens::default();
        let token = tokens.add(name("a"), Role::Viewer).unwrap();
        assert!(matches!(tokens.add(name("a"), Role::Admin), Err(TokensError::Taken(_))));
        let holder = tokens.holder(&token).unwrap().clone();
        tokens.revoke(&name("a")).unwrap();
        assert!(matches!(tokens.revoke(&name("a")), Err(TokensError::Unknown(_))));
        assert!(tokens.holder(&token).is_none() && !tokens.contains(&holder));
        tokens.add(name("a"), Role::Viewer).unwrap();
        assert!(!tokens.contains(&holder), "another token of the same name is another token");
    }

    #[test]
    fn a_line_that_is_not_ours_is_an_error_with_its_number() {
        let good = format!("a viewer {} 2026-11-21T02:30:00Z", "0".repeat(64));
        assert!(Tokens::parse(&format!("# note\n\n{good}\n")).is_ok());
        for bad in ["a viewer", "a root 00 2026-11-21T02:30:00Z", &format!("{good} more"), &format!("{good}\n{good}")] {
            assert!(Tokens::parse(&format!("# note\n{bad}")).is_err_and(|line| line >= 2), "{bad}");
        }
    }
}
