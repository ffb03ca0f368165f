//! Where the bytes of files lie: sealed in a folder beside the database, or in memory with it.
//!
//! A file is written under another name until all of it is there, and is read as it comes: however large it is, little of
//! it is in memory. Knows nothing about what files are for.

use std::collections::HashMap;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use domain::MediaId;
use parking_lot::Mutex;

use crate::sealing::{self, HEAD, Keyring, Opening, Place, Sealing};

/// What a file is called after its id: whole, and while it is written.
const WHOLE: &str = "sealed";
const IN_PARTS: &str = "part";

/// Where the bytes of files are.
#[derive(Clone, Debug)]
pub(super) enum Shelf {
    /// In a folder, a file each.
    Folder(PathBuf),
    /// In memory, gone with the process.
    Memory(Arc<Mutex<HashMap<MediaId, Bytes>>>),
}

impl Shelf {
    /// Takes away what an earlier process did not write to its end. Nobody else may be writing.
    pub(super) fn tidy(&self) -> io::Result<()> {
        let Self::Folder(folder) = self else { return Ok(()) };
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == IN_PARTS) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Begins to write a file.
    pub(super) fn write(&self, id: MediaId, keyring: &Keyring) -> io::Result<Writing> {
        Ok(match self {
            Self::Folder(folder) => {
                super::private_directory(folder)?;
                let part = Part(folder.join(format!("{id}.{IN_PARTS}")));
                super::private_file(&part.0)?;
                let file = fs::OpenOptions::new().write(true).truncate(true).open(&part.0)?;
                let sealing = Sealing::begin(keyring, place(&id.to_bytes()), file)?;
                Writing::File { sealing, part, whole: sealed_path(folder, id), folder: folder.clone() }
            }
            Self::Memory(files) => Writing::Memory { id, files: files.clone(), content: Vec::new() },
        })
    }

    /// Begins to read a file; `None` if it is not there.
    pub(super) fn read(&self, id: MediaId, keyring: &Keyring) -> io::Result<Option<Reading>> {
        match self {
            Self::Folder(folder) => match open(&sealed_path(folder, id))? {
                Some(file) => Ok(Some(Reading::File(Opening::begin(keyring, place(&id.to_bytes()), file)?))),
                // From before files were sealed.
                None => {
                    let Some(mut file) = open(&folder.join(id.to_string()))? else { return Ok(None) };
                    let mut content = Vec::new();
                    file.read_to_end(&mut content)?;
                    Ok(Some(Reading::Whole(Some(content.into()))))
                }
            },
            Self::Memory(files) => Ok(files.lock().get(&id).cloned().map(|content| Reading::Whole(Some(content)))),
        }
    }

    /// Takes a file away.
    pub(super) fn remove(&self, id: MediaId) {
        match self {
            // One that cannot be removed now is only a file too many.
            Self::Folder(folder) => {
                drop(fs::remove_file(folder.join(id.to_string())));
                drop(fs::remove_file(sealed_path(folder, id)));
            }
            Self::Memory(files) => drop(files.lock().remove(&id)),
        }
    }

    /// Seals a file anew, if it is not sealed under the newest key.
    pub(super) fn reseal(&self, id: MediaId, keyring: &Keyring) -> io::Result<()> {
        let Self::Folder(folder) = self else { return Ok(()) };
        if let Some(mut file) = open(&sealed_path(folder, id))? {
            let mut head = [0; HEAD];
            file.read_exact(&mut head)?;
            if sealing::key_of_head(head) == keyring.current() {
                return Ok(());
            }
        }
        let Some(mut reading) = self.read(id, keyring)? else { return Ok(()) };
        let mut writing = self.write(id, keyring)?;
        while let Some(piece) = reading.next()? {
            writing.write(&piece)?;
        }
        writing.end()?;
        drop(fs::remove_file(folder.join(id.to_string())));
        Ok(())
    }
}

/// A file that is being written; dropped before its end, nothing of it is left.
pub(super) enum Writing {
    File { sealing: Sealing<fs::File>, part: Part, whole: PathBuf, folder: PathBuf },
    Memory { id: MediaId, files: Arc<Mutex<HashMap<MediaId, Bytes>>>, content: Vec<u8> },
}

impl Writing {
    /// Writes more.
    pub(super) fn write(&mut self, plain: &[u8]) -> io::Result<()> {
        match self {
            Self::File { sealing, .. } => sealing.write(plain),
            Self::Memory { content, .. } => {
                content.extend_from_slice(plain);
                Ok(())
            }
        }
    }

    /// Puts the whole file on disk.
    pub(super) fn end(self) -> io::Result<()> {
        match self {
            Self::File { sealing, part, whole, folder } => {
                sealing.end()?.sync_all()?;
                fs::rename(&part.0, whole)?;
                // The name itself is on disk only with its folder.
                fs::File::open(folder)?.sync_all()
            }
            Self::Memory { id, files, content } => {
                files.lock().insert(id, content.into());
                Ok(())
            }
        }
    }
}

/// The name of a file while it is written.
pub(super) struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        // Once it has its own name there is none of this one.
        drop(fs::remove_file(&self.0));
    }
}

/// A file that is being read.
pub(super) enum Reading {
    File(Opening<fs::File>),
    Whole(Option<Bytes>),
}

impl Reading {
    /// Reads the next piece; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Bytes>> {
        match self {
            Self::File(opening) => Ok(opening.next()?.map(Bytes::from)),
            Self::Whole(content) => Ok(content.take()),
        }
    }
}

/// A file that is there; `None` if it is not.
fn open(path: &Path) -> io::Result<Option<fs::File>> {
    match fs::File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn sealed_path(folder: &Path, id: MediaId) -> PathBuf {
    folder.join(format!("{id}.{WHOLE}"))
}

fn place(id: &[u8; 16]) -> Place<'_> {
    Place::new("file", id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn a_file_that_is_not_written_to_its_end_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let (shelf, ring) = (Shelf::Folder(folder.path().join("media")), Keyring::in_memory());
        shelf.tidy().unwrap();
        let id = MediaId::from_bytes([7; 16]);
        let mut broken_off = shelf.write(id, &ring).unwrap();
        broken_off.write(b"half").unwrap();
        assert!(shelf.read(id, &ring).unwrap().is_none());
        // The process died.
        std::mem::forget(broken_off);
        assert_eq!(names(&folder.path().join("media")), [format!("{id}.part")]);
        shelf.tidy().unwrap();
        drop(shelf.write(id, &ring).unwrap());
        assert_eq!(names(&folder.path().join("media")), [""; 0]);
        let mut writing = shelf.write(id, &ring).unwrap();
        writing.write(b"whole").unwrap();
        writing.end().unwrap();
        let mut reading = shelf.read(id, &ring).unwrap().unwrap();
        assert_eq!(reading.next().unwrap().as_deref(), Some(b"whole".as_slice()));
        assert_eq!(names(&folder.path().join("media")), [format!("{id}.sealed")]);
    }
}
