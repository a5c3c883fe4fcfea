//! A directory of records, one file each, replaced as a whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::{error, warn};

use super::StoreError;
use super::record_file::{self, Unreadable};
use crate::failpoint;
use crate::model::status::UnreadableRecord;

/// What a record has to outlive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// A power failure: files and directory are synced.
    Reboot,
    /// The process only.
    Process,
}

/// How the files of damaged records end.
const SET_ASIDE: &str = "json.corrupt";

/// What was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// A record.
    Record,
    /// A record that had been set aside as damaged.
    SetAside,
    /// Nothing: there was none.
    Nothing,
}

/// What a directory held.
#[derive(Debug)]
pub struct Loaded<T> {
    /// The records that could be read.
    pub records: Vec<T>,
    /// Those that could not: set aside as damaged, left as written by a newer trunkline, or unreadable.
    pub unreadable: Vec<UnreadableRecord>,
}

/// A directory of records of one sort. Ids are checked before they get here, so they are safe as file names.
#[derive(Debug, Clone)]
pub(super) struct RecordDir {
    path: PathBuf,
    durability: Durability,
}

/// Makes a directory that only its owner may enter; parents get the same mode. An existing one is left as it is.
pub(super) fn make_private_dir(path: &Path) -> Result<(), StoreError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| StoreError::new("make the directory", path, source))
}

impl RecordDir {
    pub(super) fn open(path: PathBuf, durability: Durability) -> Result<Self, StoreError> {
        make_private_dir(&path)?;
        Ok(Self { path, durability })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn durability(&self) -> Durability {
        self.durability
    }

    fn file(&self, id: &str) -> PathBuf {
        self.path.join(format!("{id}.json"))
    }

    /// Writes beside, syncs, renames, syncs the directory: at every moment the old record is there or the new one.
    pub(super) fn save<T: Serialize>(&self, id: &str, record: &T) -> Result<(), StoreError> {
        self.begin(id, record)?.finish()
    }

    /// Writes beside and syncs. The caller sees to it that nobody else writes the same record meanwhile.
    pub(super) fn begin<T: Serialize>(&self, id: &str, record: &T) -> Result<Begun, StoreError> {
        let begun =
            Begun { dir: self.clone(), file: self.file(id), beside: self.path.join(format!("{id}.tmp")) };
        let failed = |source| StoreError::new("write", &begun.file, source);
        let text = record_file::write(record).map_err(|error| failed(std::io::Error::other(error)))?;
        self.write_synced(&begun.beside, &text).map_err(failed)?;
        failpoint::reached("store.written_beside");
        Ok(begun)
    }

    fn write_synced(&self, path: &Path, text: &[u8]) -> std::io::Result<()> {
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path)?;
        file.write_all(text)?;
        match self.durability {
            Durability::Reboot => file.sync_all(),
            Durability::Process => Ok(()),
        }
    }

    fn sync(&self) -> std::io::Result<()> {
        match self.durability {
            Durability::Reboot => File::open(&self.path)?.sync_all(),
            Durability::Process => Ok(()),
        }
    }

    /// Removes a record, if there is one, also one that was set aside.
    pub(super) fn remove(&self, id: &str) -> Result<Removed, StoreError> {
        let file = self.file(id);
        let removed = match self.remove_file(&file)? {
            true => Removed::Record,
            false if self.remove_file(&file.with_extension(SET_ASIDE))? => Removed::SetAside,
            false => return Ok(Removed::Nothing),
        };
        failpoint::reached("store.removed");
        self.sync().map_err(|source| StoreError::new("sync", &self.path, source))?;
        Ok(removed)
    }

    /// Whether there was such a file.
    fn remove_file(&self, file: &Path) -> Result<bool, StoreError> {
        match fs::remove_file(file) {
            Ok(()) => Ok(true),
            Err(source) if source.kind() == ErrorKind::NotFound => Ok(false),
            Err(source) => Err(StoreError::new("remove", file, source)),
        }
    }

    /// Reads all records. `id_of` is the id in a record, which must be its file's name.
    pub(super) fn load<T: DeserializeOwned>(&self, id_of: fn(&T) -> &str) -> Result<Loaded<T>, StoreError> {
        let failed = |source| StoreError::new("read the directory", &self.path, source);
        let mut loaded = Loaded { records: Vec::new(), unreadable: Vec::new() };
        for entry in fs::read_dir(&self.path).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("json") => match self.load_one(&path, id_of) {
                    Ok(record) => loaded.records.push(record),
                    Err(unreadable) => loaded.unreadable.push(unreadable),
                },
                // Begun and never finished: what it would have replaced still holds.
                Some("tmp") => {
                    let _ = fs::remove_file(&path);
                    failpoint::reached("store.begun_record_removed");
                }
                Some("corrupt") => {
                    loaded.unreadable.push(unreadable(&path, "it is damaged, and was set aside"))
                }
                _ => {}
            }
        }
        Ok(loaded)
    }

    fn load_one<T: DeserializeOwned>(
        &self,
        path: &Path,
        id_of: fn(&T) -> &str,
    ) -> Result<T, UnreadableRecord> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) => {
                error!(path = %path.display(), %error, "a record cannot be read and is left out");
                return Err(unreadable(path, &error.to_string()));
            }
        };
        let record = record_file::read(&text).and_then(|record: T| {
            if self.file(id_of(&record)) == path {
                return Ok(record);
            }
            Err(Unreadable::Damaged { reason: "it holds another id than its name says".to_owned() })
        });
        match record {
            Ok(record) => Ok(record),
            Err(Unreadable::Newer { version }) => {
                error!(path = %path.display(), version, "a newer trunkline wrote this record: it is left as it is and out of use");
                let reason = format!("a newer trunkline wrote it, in version {version}: it is left as it is");
                Err(unreadable(path, &reason))
            }
            Err(Unreadable::Damaged { reason }) => {
                let aside = self.set_aside(path, &reason);
                Err(unreadable(&aside, &format!("it is damaged, and was set aside: {reason}")))
            }
        }
    }

    /// Says where it is afterwards.
    fn set_aside(&self, path: &Path, reason: &str) -> PathBuf {
        let aside = path.with_extension(SET_ASIDE);
        let outcome = fs::rename(path, &aside);
        failpoint::reached("store.set_aside");
        warn!(path = %path.display(), reason, moved = outcome.is_ok(), "a damaged record is set aside");
        if outcome.is_ok() { aside } else { path.to_owned() }
    }
}

fn unreadable(path: &Path, reason: &str) -> UnreadableRecord {
    UnreadableRecord { path: path.display().to_string(), reason: reason.to_owned() }
}

/// A record that is written and not yet in its place. Dropped, it is as if it had never been.
#[derive(Debug)]
#[must_use = "a record that is begun and dropped is gone"]
pub struct Begun {
    dir: RecordDir,
    file: PathBuf,
    beside: PathBuf,
}

impl Begun {
    /// Puts the record into its place. On the disk, which this may wait for, where the record has to outlive a reboot.
    ///
    /// # Errors
    /// When the disk is full, read-only or broken.
    pub fn finish(self) -> Result<(), StoreError> {
        let renamed = fs::rename(&self.beside, &self.file);
        renamed.map_err(|source| StoreError::new("write", &self.file, source))?;
        failpoint::reached("store.renamed");
        self.dir.sync().map_err(|source| {
            // Whether it would survive is not known, so it must not look saved: the caller undoes the rest.
            let _ = fs::remove_file(&self.file);
            StoreError::new("sync", &self.dir.path, source)
        })
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        // Of a record that is in its place there is nothing beside.
        let _ = fs::remove_file(&self.beside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::os::unix::fs::PermissionsExt;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Sample {
        id: String,
        vlan: u16,
    }

    fn sample(id: &str) -> Sample {
        Sample { id: id.to_owned(), vlan: 20 }
    }

    fn dir() -> (tempfile::TempDir, RecordDir) {
        let temp = tempfile::tempdir().unwrap();
        let dir = RecordDir::open(temp.path().join("a/networks"), Durability::Reboot).unwrap();
        (temp, dir)
    }

    fn load(dir: &RecordDir) -> (Vec<Sample>, usize) {
        let mut loaded = dir.load(|sample: &Sample| &sample.id).unwrap();
        loaded.records.sort_by(|a, b| a.id.cmp(&b.id));
        (loaded.records, loaded.unreadable.len())
    }

    fn read(dir: &RecordDir, id: &str) -> Sample {
        record_file::read(&fs::read(dir.file(id)).unwrap()).unwrap()
    }

    #[test]
    fn records_come_and_go() {
        let (_temp, dir) = dir();
        dir.save("one", &sample("one")).unwrap();
        dir.save("two", &sample("two")).unwrap();
        dir.save("two", &sample("two")).unwrap();
        assert_eq!(load(&dir), (vec![sample("one"), sample("two")], 0));
        dir.remove("one").unwrap();
        dir.remove("one").unwrap();
        assert_eq!(load(&dir), (vec![sample("two")], 0));
        let mode = fs::metadata(&dir.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_record_that_is_begun_is_none_until_it_is_finished() {
        let (_temp, dir) = dir();
        dir.save("one", &sample("one")).unwrap();
        let newer = Sample { vlan: 30, ..sample("one") };
        drop(dir.begin("one", &newer).unwrap());
        assert_eq!(fs::read_dir(&dir.path).unwrap().count(), 1);
        let begun = dir.begin("one", &newer).unwrap();
        assert_eq!(read(&dir, "one"), sample("one"));
        begun.finish().unwrap();
        assert_eq!(load(&dir), (vec![newer], 0));
        assert_eq!(fs::read_dir(&dir.path).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_record_is_set_aside_and_takes_no_other_down() {
        let (_temp, dir) = dir();
        dir.save("good", &sample("good")).unwrap();
        fs::write(dir.file("bad"), b"{").unwrap();
        fs::copy(dir.file("good"), dir.file("impostor")).unwrap();
        fs::write(dir.file("newer"), br#"{"version":9}"#).unwrap();
        fs::write(dir.path.join("begun.tmp"), b"{").unwrap();
        assert_eq!(load(&dir), (vec![sample("good")], 3));
        let mut names: Vec<_> =
            fs::read_dir(&dir.path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names, ["bad.json.corrupt", "good.json", "impostor.json.corrupt", "newer.json"]);
        assert_eq!(load(&dir), (vec![sample("good")], 3));
    }
}
