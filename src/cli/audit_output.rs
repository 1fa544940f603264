//! Where `usher audit` writes: a file that appears only when it is whole, a device or pipe that is
//! there, or standard output. It never replaces a report by one that lacks something.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::civil::Date;

use super::CommandError;

/// What stands for the date in a place.
const DATE: &[u8] = b"{date}";

/// The place with its date, such as 2026-11-28, so that a timer needs no shell.
pub(super) fn dated(place: &Path, date: Date) -> PathBuf {
    let mut rest = place.as_os_str().as_bytes();
    let mut written = Vec::with_capacity(rest.len());
    while let Some(at) = rest.windows(DATE.len()).position(|found| found == DATE) {
        written.extend_from_slice(&rest[..at]);
        written.extend_from_slice(date.to_string().as_bytes());
        rest = &rest[at + DATE.len()..];
    }
    written.extend_from_slice(rest);
    PathBuf::from(OsString::from_vec(written))
}

/// Where a report goes that lacks something. A page keeps the end of its name, by which browsers
/// know it.
fn incomplete(place: &Path) -> PathBuf {
    if place.extension().is_some_and(|end| end == "html") {
        return place.with_extension("incomplete.html");
    }
    let mut place = place.to_owned();
    place.as_mut_os_string().push(".incomplete");
    place
}

/// Where the text goes.
pub(super) enum Output {
    Standard,
    /// A device or a pipe: written as it stands, never replaced.
    Special(std::fs::File),
    /// Written beside its place and moved there when whole; where it lacks something, beside what
    /// may be a complete one from before.
    File {
        file: std::fs::File,
        beside: PathBuf,
        place: PathBuf,
    },
}

impl Output {
    /// Opens the place, so that a wrong one is told before anything is asked.
    pub(super) fn open(place: &Path) -> Result<Self, CommandError> {
        if place == Path::new("-") {
            return Ok(Self::Standard);
        }
        if place.is_dir() {
            return Err(CommandError(format!(
                "cannot write {}: it is a directory; name a file in it",
                place.display()
            )));
        }
        let cannot_write =
            |error| CommandError(format!("cannot write {}: {error}", place.display()));
        let is_special = std::fs::metadata(place).is_ok_and(|found| !found.is_file());
        if is_special {
            let file = std::fs::OpenOptions::new().write(true).open(place);
            return file.map(Self::Special).map_err(cannot_write);
        }
        // Where a link stands, the file behind it is meant.
        let place = std::fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
        let mut name = place.as_os_str().to_owned();
        name.push(format!(".{}.part", uuid::Uuid::new_v4().simple()));
        let beside = PathBuf::from(name);
        // Who has access to what is not for everybody, and nobody may have laid a link here.
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)
            .map_err(cannot_write)?;
        Ok(Self::File {
            file,
            beside,
            place,
        })
    }

    pub(super) fn write(&mut self, text: &str) -> Result<(), CommandError> {
        let written = match self {
            Self::Standard => std::io::stdout().lock().write_all(text.as_bytes()),
            Self::Special(file) | Self::File { file, .. } => file.write_all(text.as_bytes()),
        };
        written.map_err(|error| CommandError(format!("the report cannot be written: {error}")))
    }

    /// Answers where the text lies, if in a file.
    pub(super) fn finish(&mut self, is_complete: bool) -> Result<Option<PathBuf>, CommandError> {
        let finished = match self {
            Self::Standard => std::io::stdout().lock().flush().map(|()| None),
            Self::Special(file) => file.flush().map(|()| None),
            Self::File {
                file,
                beside,
                place,
            } => {
                let place = if is_complete {
                    place.clone()
                } else {
                    incomplete(place)
                };
                file.sync_all()
                    .and_then(|()| std::fs::rename(&*beside, &place))
                    .map(|()| Some(place))
            }
        };
        finished.map_err(|error| CommandError(format!("the report cannot be written: {error}")))
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Self::File { beside, .. } = self {
            // Gone already when the report was whole.
            drop(std::fs::remove_file(beside));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_its_date_wherever_it_asks_for_it() {
        let date = jiff::civil::date(2026, 3, 9);
        for (place, expected) in [
            ("-", "-"),
            ("access.csv", "access.csv"),
            ("access-{date}.csv", "access-2026-03-09.csv"),
            ("{date}/{date}", "2026-03-09/2026-03-09"),
            ("{{date}{dat}", "{2026-03-09{dat}"),
        ] {
            assert_eq!(
                dated(Path::new(place), date),
                Path::new(expected),
                "{place}"
            );
        }
        let odd = OsString::from_vec(b"\xff{date}".to_vec());
        let expected = OsString::from_vec(b"\xff2026-03-09".to_vec());
        assert_eq!(dated(Path::new(&odd), date), Path::new(&expected));
    }

    #[test]
    fn a_page_that_lacks_something_keeps_the_end_of_its_name() {
        let name = |place: &str| incomplete(Path::new(place)).display().to_string();
        assert_eq!(name("a.csv"), "a.csv.incomplete");
        assert_eq!(name("a.html"), "a.incomplete.html");
    }
}
