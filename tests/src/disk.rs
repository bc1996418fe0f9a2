//! Disks that are full when a test wants it: small file systems in memory, in a mount namespace
//! that ends with the test.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use nix::sys::statvfs::statvfs;

use crate::shared::{run, scratch};

/// Says to this program that it may mount.
const APART: &str = "TESTS_MAY_MOUNT";

/// Whose disk is a small one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Small {
    /// The one with the streams.
    Streams,
    /// The one with journals and readings.
    Databases,
}

/// A small disk.
#[derive(Debug)]
pub(crate) struct Disk(PathBuf);

impl Disk {
    /// Mounts one with so many bytes.
    pub(crate) fn mount(folder: &Path, bytes: u64) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let size = format!("size={bytes}");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder);
        done(&mut mount)?;
        Ok(Self(folder.to_owned()))
    }

    /// Leaves so many bytes of room, or fewer where there were fewer.
    pub(crate) fn fill(&self, but: u64) -> Result<()> {
        let mut options = File::options();
        let mut ballast = options.create(true).append(true).open(self.ballast())?;
        let full = loop {
            if let Err(error) = ballast.write_all(&[0; 4096]) {
                break error;
            }
        };
        ensure!(full.kind() == ErrorKind::StorageFull, "{full}");
        let size = ballast.metadata()?.len();
        Ok(ballast.set_len(size.saturating_sub(but))?)
    }

    /// Makes room again.
    pub(crate) fn clear(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.ballast())?)
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Otherwise it ends with the namespace.
        let _ = done(Command::new("umount").arg("--lazy").arg(&self.0));
    }
}

/// Runs the test with this name where it may mount disks, and everything that it starts sees
/// them: in this program once more, in a mount namespace of its own. That takes no rights but
/// where user namespaces are forbidden; then it says so, loudly, and tests nothing.
pub fn run_apart(name: &str, test: impl Future<Output = Result<()>>) {
    if std::env::var_os(APART).is_some() {
        return run(test);
    }
    let try_it = namespace()
        .args(["mount", "-t", "tmpfs", "tmpfs", "/tmp"])
        .output();
    let refusal = match try_it {
        Ok(output) if output.status.success() => return run(again(name)),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    // Not by a macro, whose lines nobody sees where a test passes.
    let _ = writeln!(
        std::io::stderr(),
        "NOT TESTED: {name} needs a small disk, and this machine lets nobody mount one: {}",
        refusal.trim()
    );
}

async fn again(name: &str) -> Result<()> {
    let mut command = namespace();
    command
        .arg(std::env::current_exe()?)
        .args([name, "--exact", "--include-ignored", "--nocapture"])
        .env(APART, "1");
    let said = tokio::task::spawn_blocking(move || done(&mut command)).await??;
    // A name that nothing has is no error there.
    ensure!(said.contains("1 passed"), "{name} did not run: {said}");
    Ok(())
}

/// An error unless the disk of the tests has room for so many GB.
pub fn must_have_room(gigabytes: u64) -> Result<()> {
    let disk = statvfs(&scratch()?)?;
    let free = disk.blocks_available() * disk.fragment_size() / 1_000_000_000;
    ensure!(
        free >= gigabytes,
        "this test needs {gigabytes} GB on the disk of the temporary folder, which has {free}: \
         make room, or set TMPDIR to another disk"
    );
    Ok(())
}

fn namespace() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount"]);
    command
}

/// What it said, unless it failed.
fn done(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(
        output.status.success(),
        "{:?} ends with {}:\n{}{}",
        command.get_program(),
        output.status,
        said(&output.stdout),
        said(&output.stderr)
    );
    Ok(said(&output.stdout))
}
