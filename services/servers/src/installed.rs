//! Where the servers' programs are.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::bail;

/// The folder that `make servers` installs into, seen from the project's root.
pub const FOLDER: &str = ".landfall/servers";

/// The folder that `make stores` installs into.
const STORES: &str = ".landfall/stores";

/// The folder of Amazon's command line, which it installs too.
const AWS: &str = ".landfall/aws";

/// The program `name`: from `LANDFALL_SERVERS`, else from `.landfall/servers` of the project that
/// this folder or this binary is in, else from `PATH`.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    find(name, FOLDER, "make servers")
}

/// The program of a store that only tests run: as [`program`], from `.landfall/stores`.
pub(crate) fn store(name: &str) -> anyhow::Result<PathBuf> {
    find(name, STORES, "make stores")
}

/// `PATH` of a shell that sees what `make stores` installs first.
pub fn path_of_stores() -> anyhow::Result<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = [STORES, AWS].into_iter().flat_map(folders);
    let own = own.map(|folder| folder.join("bin"));
    Ok(std::env::join_paths(
        own.chain(std::env::split_paths(&path)),
    )?)
}

/// Jaeger, which only tests run: as [`program`], from `.landfall/jaeger`.
pub(crate) fn jaeger() -> anyhow::Result<PathBuf> {
    find("jaeger", ".landfall/jaeger", "make jaeger")
}

fn find(name: &str, folder: &str, make: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = folders(folder)
        .into_iter()
        .map(|folder| folder.join("bin"))
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file());
    let Some(found) = found else {
        bail!(
            "`{name}` is not installed; run `{make}` (or set LANDFALL_SERVERS to the folder \
             that has bin/{name})"
        )
    };
    Ok(std::path::absolute(found)?)
}

/// The Python that sees the installed packages, and what `PYTHONPATH` must be for that.
pub(crate) fn python() -> anyhow::Result<(PathBuf, Option<PathBuf>)> {
    for folder in folders(FOLDER) {
        let own = folder.join("bin/python3");
        if own.is_file() {
            return Ok((own, None));
        }
        // Installed with `pip install --target`: packages lie in the folder itself.
        if folder.join("aiosmtpd").is_dir() {
            return Ok((program("python3")?, Some(folder)));
        }
    }
    Ok((program("python3")?, None))
}

/// The folder with Cassandra's jars.
pub(crate) fn cassandra() -> anyhow::Result<PathBuf> {
    let found = folders(FOLDER)
        .into_iter()
        .map(|folder| folder.join("cassandra/lib"))
        .find(|folder| folder.is_dir());
    let Some(found) = found else {
        bail!(
            "Cassandra is not installed; run `make cassandra` (or set LANDFALL_SERVERS to the \
             folder that has cassandra/lib)"
        )
    };
    Ok(std::path::absolute(found)?)
}

/// Where `installed` of the project may be, or what is named in its place.
fn folders(installed: &str) -> Vec<PathBuf> {
    if let Some(folder) = std::env::var_os("LANDFALL_SERVERS") {
        return vec![PathBuf::from(folder)];
    }
    let here = std::env::current_dir().ok();
    let binary = std::env::current_exe().ok();
    [here, binary]
        .iter()
        .flatten()
        .flat_map(|path| path.ancestors())
        .map(|ancestor| ancestor.join(installed))
        .filter(|folder| folder.is_dir())
        .map(|folder| std::path::absolute(&folder).unwrap_or(folder))
        .collect::<Vec<_>>()
}

/// `folder`, created and absolute: servers run in folders of their own.
pub(crate) fn prepare(folder: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    Ok(std::path::absolute(folder)?)
}
