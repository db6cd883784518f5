//! The file with the lines of the broker.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write as _},
    path::Path,
};

use super::{StorageError, error::Doing};

const NAME: &str = "kafka08-broker.meta";
/// The first line of the file. It changes if the meaning of the other lines changes.
const FIRST_LINE: &str = "kafka08-broker 1";

/// Reads the lines. There are none if there is no file.
pub(super) fn read(root: &Path) -> Result<Vec<String>, StorageError> {
    let path = root.join(NAME);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) if error.kind() == ErrorKind::InvalidData => return Err(StorageError::Meta { path }),
        Err(error) => return Err(StorageError::io(Doing::Read, &path, error)),
    };
    // A file without the last line break is incomplete, or someone has edited it.
    let mut lines = text.strip_suffix('\n').unwrap_or_default().split('\n').map(str::to_owned);
    if lines.next().as_deref() == Some(FIRST_LINE) { Ok(lines.collect()) } else { Err(StorageError::Meta { path }) }
}

/// Replaces the lines.
pub(super) fn write(root: &Path, lines: &[String]) -> Result<(), StorageError> {
    if let Some(line) = lines.iter().find(|line| line.contains('\n')) {
        return Err(StorageError::Line { line: line.clone() });
    }
    let text: String =
        [FIRST_LINE].into_iter().chain(lines.iter().map(String::as_str)).flat_map(|l| [l, "\n"]).collect();
    write_atomically(&root.join(NAME), [text.as_bytes()])
}

/// Writes a file so that after a crash it has either the old or the new contents.
pub(super) fn write_atomically<'a>(
    path: &Path,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<(), StorageError> {
    let new = path.with_added_extension("tmp");
    let written = File::create(&new).and_then(|mut file| {
        pieces.into_iter().try_for_each(|piece| file.write_all(piece))?;
        // Without this, the new name could be on the disk before the contents.
        file.sync_all()
    });
    written.map_err(|error| StorageError::io(Doing::Write, &new, error))?;
    fs::rename(&new, path).map_err(|error| StorageError::io(Doing::Write, path, error))?;
    let parent = path.parent().unwrap_or(path);
    let synced = File::open(parent).and_then(|dir| dir.sync_all());
    synced.map_err(|error| StorageError::io(Doing::Write, parent, error))
}
