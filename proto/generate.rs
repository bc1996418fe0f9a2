//! Writes what is generated from the contract: `cargo run -p proto --example generate`.

use std::path::Path;
use std::{fs, io};

use proto::artefact;

fn main() -> io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    for folder in artefact::FOLDERS {
        match fs::remove_dir_all(here.join(folder)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(here.join(folder))?,
        }
    }
    for artefact in artefact::all() {
        fs::write(here.join(artefact.path), artefact.content)?;
    }
    Ok(())
}
