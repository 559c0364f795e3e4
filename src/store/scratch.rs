//! A look at the store's file that leaves the file as it is: what is written to it stays in memory.
//!
//! Opening a database writes to it, and checking it may too. A store is opened on a scratch copy first, and for writing
//! only when nothing is wrong with it. Little is written on the way, so little memory is needed.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::backends::FileBackend;
use redb::{DatabaseError, StorageBackend};

const PAGE: usize = 4096;

/// A file under what was written over it.
#[derive(Debug)]
pub(super) struct Scratch {
    file: FileBackend,
    above: Mutex<Above>,
}

#[derive(Debug)]
struct Above {
    /// How long the whole is.
    len: u64,
    /// How much of the file still counts; it is zeros from there.
    file_len: u64,
    /// What was written, by number of the page.
    pages: BTreeMap<u64, Box<[u8]>>,
}

impl Scratch {
    /// A look at the file at `path`.
    pub(super) fn open(path: &Path) -> Result<Self, DatabaseError> {
        let file = File::open(path)?;
        let len = file.metadata()?.len();
        let above = Mutex::new(Above { len, file_len: len, pages: BTreeMap::new() });
        Ok(Self { file: FileBackend::new(file)?, above })
    }

    fn above(&self) -> MutexGuard<'_, Above> {
        self.above.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file, and zeros where it does not count.
    fn below(&self, above: &Above, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let there =
            usize::try_from(above.file_len.saturating_sub(offset)).map_or(out.len(), |there| there.min(out.len()));
        let (file, zeros) = out.split_at_mut(there);
        zeros.fill(0);
        if file.is_empty() { Ok(()) } else { self.file.read(offset, file) }
    }
}

/// The pages that `len` bytes at `offset` touch: the number of each, and which of its bytes are which of them.
fn pages(offset: u64, len: usize) -> impl Iterator<Item = (u64, Range<usize>, Range<usize>)> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let at = offset + done as u64;
        let start = (at % PAGE as u64) as usize;
        let size = (PAGE - start).min(len - done);
        done += size;
        (size > 0).then_some((at / PAGE as u64, start..start + size, done - size..done))
    })
}

impl StorageBackend for Scratch {
    fn len(&self) -> io::Result<u64> {
        Ok(self.above().len)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let above = self.above();
        if offset.saturating_add(out.len() as u64) > above.len {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (page, inside, part) in pages(offset, out.len()) {
            match above.pages.get(&page) {
                Some(written) => out[part].copy_from_slice(&written[inside]),
                None => self.below(&above, page * PAGE as u64 + inside.start as u64, &mut out[part])?,
            }
        }
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut above = self.above();
        above.len = len;
        above.file_len = above.file_len.min(len);
        above.pages.split_off(&len.div_ceil(PAGE as u64));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut above = self.above();
        for (page, inside, part) in pages(offset, data.len()) {
            if !above.pages.contains_key(&page) {
                let mut content = vec![0; PAGE].into_boxed_slice();
                self.below(&above, page * PAGE as u64, &mut content)?;
                above.pages.insert(page, content);
            }
            if let Some(content) = above.pages.get_mut(&page) {
                content[inside].copy_from_slice(&data[part]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Write(u64, Vec<u8>),
        SetPages(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..30_000_u64, prop::collection::vec(1..u8::MAX, 1..9000)).prop_map(|(offset, data)| Step::Write(offset, data)),
            1 => (0..10_u64).prop_map(Step::SetPages),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn what_is_written_is_read_and_the_file_keeps_every_byte(steps in prop::collection::vec(step(), 1..20)) {
            let dir = tempfile::TempDir::new().unwrap();
            let path = dir.path().join("file");
            let original: Vec<u8> = (0..5 * PAGE).map(|at| (at % 251) as u8).collect();
            fs::write(&path, &original).unwrap();
            let scratch = Scratch::open(&path).unwrap();
            let mut expected = original.clone();
            for step in steps {
                match step {
                    Step::Write(offset, data) => {
                        let start = offset as usize % (expected.len() + 1);
                        let end = (start + data.len()).min(expected.len());
                        scratch.write(start as u64, &data[..end - start]).unwrap();
                        expected[start..end].copy_from_slice(&data[..end - start]);
                    }
                    Step::SetPages(pages) => {
                        scratch.set_len(pages * PAGE as u64).unwrap();
                        expected.resize(pages as usize * PAGE, 0);
                    }
                }
                let mut found = vec![0xff; expected.len()];
                prop_assert_eq!(scratch.len().unwrap(), expected.len() as u64);
                scratch.read(0, &mut found).unwrap();
                prop_assert!(found == expected);
                prop_assert!(scratch.read(1, &mut found).is_err() || expected.is_empty(), "reading stops at the end");
            }
            prop_assert!(fs::read(&path).unwrap() == original);
        }
    }
}
