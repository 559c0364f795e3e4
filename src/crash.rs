//! Places at which the daemon can be made to die, at once and with nothing tidied up, as `kill -9` would have it: for the
//! tests of what is true after a crash. `flumen serve --crash-at PLACE:N` makes it die at its `N`-th passing of a place.
//! It costs everybody else one look at a cell that is never filled.

use std::process;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where the daemon can be made to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Changes are about to be written to the disk.
    BeforeWrite,
    /// They are written, and no fsync has made them last.
    BeforeFsync,
    /// They are on disk, and nobody has been told.
    AfterFsync,
    /// An answer is about to be given.
    BeforeAnswer,
    /// An answer has been given.
    AfterAnswer,
    /// FLOW_MODs and their barrier have left, and nothing has come back.
    AfterFlowMods,
    /// The switch has confirmed FLOW_MODs or refused them, and nothing has been made of that.
    AfterBarrier,
    /// The switch's tables have been read, and nothing has been compared.
    AfterRead,
    /// A bundle of repairs is under way.
    DuringRepair,
    /// Classes of traffic have been read again: before anything of that is on disk, and when a bundle with it is under way.
    DuringReload,
}

impl Place {
    /// Each with its name on the command line.
    pub const ALL: [(&'static str, Self); 10] = [
        ("before-write", Self::BeforeWrite),
        ("before-fsync", Self::BeforeFsync),
        ("after-fsync", Self::AfterFsync),
        ("before-answer", Self::BeforeAnswer),
        ("after-answer", Self::AfterAnswer),
        ("after-flow-mods", Self::AfterFlowMods),
        ("after-barrier", Self::AfterBarrier),
        ("after-read", Self::AfterRead),
        ("during-repair", Self::DuringRepair),
        ("during-reload", Self::DuringReload),
    ];
}

/// A place, and at which passing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashAt {
    place: Place,
    passing: u64,
}

impl FromStr for CrashAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, passing) = text.split_once(':').unwrap_or((text, "1"));
        let place = Place::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, place)| place);
        let place = place.ok_or_else(|| format!("is one of {}", Place::ALL.map(|(name, _)| name).join(", ")))?;
        let passing = passing.parse().map_err(|_| "needs a number after the colon".to_owned())?;
        Ok(Self { place, passing })
    }
}

static ARMED: OnceLock<(Place, AtomicU64)> = OnceLock::new();

/// From now on this process dies there. Only the first call counts.
pub fn arm(at: CrashAt) {
    ARMED.get_or_init(|| (at.place, AtomicU64::new(at.passing)));
}

/// Dies here, if this is the place and the passing.
pub(crate) fn pass(place: Place) {
    if let Some((armed, left)) = ARMED.get()
        && *armed == place
        && left.fetch_sub(1, Ordering::Relaxed) == 1
    {
        process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_with_or_without_the_passing() {
        assert_eq!("after-fsync:3".parse(), Ok(CrashAt { place: Place::AfterFsync, passing: 3 }));
        assert_eq!("after-fsync".parse(), Ok(CrashAt { place: Place::AfterFsync, passing: 1 }));
        assert!("nowhere".parse::<CrashAt>().unwrap_err().contains("before-answer"));
        assert!("after-fsync:x".parse::<CrashAt>().is_err());
    }
}
