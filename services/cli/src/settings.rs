//! Which configuration a command works with.

use std::path::{Path, PathBuf};

use runtime::Config;

use crate::failure::Failure;
use crate::options::{Command, Options, Place};

/// The folder of `landfall dev`, unless another is named.
pub(crate) const DEV: &str = ".landfall/dev";

/// The file that `landfall dev` leaves in its folder.
pub(crate) const FILE: &str = "landfall.toml";

/// The configuration that `place` means.
pub(crate) fn load(place: &Place) -> Result<Config, Failure> {
    let file = file(place)?;
    Config::load(file.as_deref()).map_err(|wrong| Failure::Usage(wrong.to_string()))
}

/// Whether a command that needs a configuration has to do with the defaults.
pub(crate) fn is_missing(options: &Options) -> bool {
    let needed = !matches!(options.command, Command::Dev(_) | Command::Sample(_));
    needed && matches!(file(&options.place), Ok(None))
}

fn file(place: &Place) -> Result<Option<PathBuf>, Failure> {
    match (&place.config, &place.dir) {
        (Some(_), Some(_)) => {
            let wrong = "give --config or --dir, not both: a folder has its own configuration";
            Err(Failure::Usage(wrong.to_owned()))
        }
        (Some(file), None) => Ok(Some(file.clone())),
        (None, Some(folder)) => {
            let file = folder.join(FILE);
            if file.is_file() {
                return Ok(Some(file));
            }
            let folder = folder.display();
            Err(Failure::Usage(format!(
                "there is no Landfall in {folder}: `landfall dev --dir {folder}` starts one"
            )))
        }
        (None, None) => Ok(found()),
    }
}

/// `landfall.toml` here, else the one of the `landfall dev` of this folder or one above.
fn found() -> Option<PathBuf> {
    if Path::new(FILE).is_file() {
        return Some(PathBuf::from(FILE));
    }
    let here = std::env::current_dir().ok()?;
    here.ancestors()
        .map(|folder| folder.join(DEV).join(FILE))
        .find(|file| file.is_file())
}
