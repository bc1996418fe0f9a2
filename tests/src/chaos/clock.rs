//! Clocks of services that can be set while they run.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};
use proto::User;

use super::plan::REPLICAS;
use crate::installation::SERVICES;

const SOURCE: &str = include_str!("clock.c");

/// The clocks of an installation's services: one a replica, which a restart does not set right.
#[derive(Debug)]
pub(crate) struct Clocks {
    folder: PathBuf,
}

impl Clocks {
    /// Compiles what makes clocks wrong into `folder`.
    pub(super) fn new(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder)?;
        let source = folder.join("clock.c");
        std::fs::write(&source, SOURCE)?;
        let clocks = Self {
            folder: folder.to_owned(),
        };
        let mut compiler = Command::new("cc");
        compiler
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"])
            .arg(clocks.library())
            .arg(source);
        let output = compiler.output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "cc: {said}");
        for user in SERVICES {
            for number in 0..REPLICAS {
                clocks.set(user, number, 0)?;
            }
        }
        Ok(clocks)
    }

    /// What the environment of a replica has to hold so that it goes by its clock, which is right
    /// unless it was set.
    pub(crate) fn environment(&self, user: User, number: usize) -> [(&'static str, OsString); 2] {
        [
            ("LD_PRELOAD", self.library().into()),
            ("CLOCK_OFFSET", self.file(user, number).into()),
        ]
    }

    /// Sets a replica's clock to so many seconds ahead.
    pub(super) fn set(&self, user: User, number: usize, ahead: i64) -> Result<()> {
        let mut options = File::options();
        // In place: it is mapped.
        let file = options.create(true).truncate(false).write(true);
        let file = file.open(self.file(user, number))?;
        Ok(file.write_all_at(&ahead.to_ne_bytes(), 0)?)
    }

    fn file(&self, user: User, number: usize) -> PathBuf {
        self.folder.join(format!("{user}-{number}"))
    }

    fn library(&self) -> PathBuf {
        self.folder.join("clock.so")
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::Stdio;

    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_running_process_sees_its_clock_jump_forth_and_back() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let clocks = Clocks::new(folder.path())?;
        let program = "import time\nwhile input() == 'look': print(int(time.time()), flush=True)";
        let mut child = Command::new("python3")
            .args(["-c", program])
            .envs(clocks.environment(User::Mover, 1))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut ask = child.stdin.take().expect("it is piped");
        let mut answers = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        for ahead in [0, 7_200, -7_200, 0] {
            clocks.set(User::Mover, 1, ahead)?;
            writeln!(ask, "look")?;
            let seen: i64 = answers.next().expect("it answers")?.parse()?;
            let wrong = seen - Timestamp::now().as_second();
            ensure!((wrong - ahead).abs() < 600, "{wrong} instead of {ahead}");
        }
        writeln!(ask, "end")?;
        ensure!(child.wait()?.success());
        Ok(())
    }
}
