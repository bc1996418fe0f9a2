//! The folder of one `landfall dev`.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// What the names of folders that are removed begin with.
const TEMPORARY: &str = "demo-";

/// A folder that is this process's alone. The kernel gives the lock back however it ends.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    temporary: bool,
    _lock: Flock<File>,
}

/// Held by the folder's owner, with its process id.
const LOCK: &str = "lock";

/// Says that a temporary folder is to be kept.
const KEPT: &str = "kept";

/// What an attempt to take a folder came to.
enum Taken {
    Ours(Flock<File>),
    Anothers(String),
    /// It was removed in the same moment.
    Gone,
}

impl Folder {
    /// Takes `path`, which is made if it is not there.
    pub(crate) fn take(path: &Path) -> anyhow::Result<Self> {
        match attempt(path)? {
            Taken::Ours(lock) => Self::new(path, lock, false),
            Taken::Anothers(pid) => bail!(
                "another `landfall dev` runs in {} (process {pid}); end it, or give another --dir",
                path.display()
            ),
            Taken::Gone => bail!("{} is being removed; try again", path.display()),
        }
    }

    /// Takes `path`, or the first of `path-2`, `path-3` … that nobody has.
    pub(crate) fn take_beside(path: &Path) -> anyhow::Result<Self> {
        for number in 1..1_000 {
            let mut name = path.as_os_str().to_owned();
            if number > 1 {
                name.push(format!("-{number}"));
            }
            let path = PathBuf::from(name);
            if let Taken::Ours(lock) = attempt(&path)? {
                return Self::new(&path, lock, false);
            }
        }
        bail!("{} and a thousand beside it are in use", path.display())
    }

    /// A new folder in `parent`. Those that others left behind are removed first.
    pub(crate) fn temporary(parent: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        remove_left_behind(parent, |folder| folder.join(KEPT).exists())?;
        loop {
            let random = &servers::random_secret()[..8];
            let path = parent.join(format!("{TEMPORARY}{random}"));
            if let Taken::Ours(lock) = attempt(&path)? {
                return Self::new(&path, lock, true);
            }
        }
    }

    fn new(path: &Path, mut lock: Flock<File>, temporary: bool) -> anyhow::Result<Self> {
        lock.set_len(0)?;
        write!(lock, "{}", std::process::id())?;
        Ok(Self {
            path: std::path::absolute(path)?,
            temporary,
            _lock: lock,
        })
    }

    /// Its absolute path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Removes it, if it was made for this run alone.
    pub(crate) fn remove_if_temporary(&self) {
        if self.temporary {
            let _ = fs::remove_dir_all(&self.path);
        }
    }

    /// Keeps it for somebody to look into, instead of those that were kept before.
    pub(crate) fn keep(&self) {
        let _ = fs::write(self.path.join(KEPT), "");
        if let Some(parent) = self.path.parent() {
            let _ = remove_left_behind(parent, |_| false);
        }
    }
}

/// Removes the temporary folders in `parent` that nobody has any more, but for those that are kept.
fn remove_left_behind(parent: &Path, is_kept: impl Fn(&Path) -> bool) -> anyhow::Result<()> {
    for entry in fs::read_dir(parent)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let temporary = name.is_some_and(|name| name.starts_with(TEMPORARY));
        // Its owner says that it is to be kept before it gives the lock back.
        if temporary
            && let Taken::Ours(_lock) = attempt(&path)?
            && !is_kept(&path)
        {
            let _ = fs::remove_dir_all(&path);
        }
    }
    Ok(())
}

fn attempt(path: &Path) -> anyhow::Result<Taken> {
    let shown = path.display();
    fs::create_dir_all(path).with_context(|| format!("cannot make {shown}"))?;
    let name = path.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .read(true)
        .write(true)
        .truncate(false)
        .open(&name);
    let file = match file {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Taken::Gone),
        file => file.with_context(|| format!("cannot write in {shown}"))?,
    };
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => {
            // Whoever removes a folder does so under the lock; ours may be on a file without a name.
            let same = fs::metadata(&name)
                .is_ok_and(|named| lock.metadata().is_ok_and(|ours| ours.ino() == named.ino()));
            Ok(if same { Taken::Ours(lock) } else { Taken::Gone })
        }
        Err((mut file, Errno::EWOULDBLOCK)) => {
            let mut pid = String::new();
            file.rewind()?;
            file.read_to_string(&mut pid)?;
            Ok(Taken::Anothers(pid))
        }
        Err((_, error)) => Err(error).with_context(|| format!("cannot lock {shown}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_one_owner_at_a_time_and_says_who_it_is() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("a/b");
        let first = Folder::take(&path).unwrap();
        let error = Folder::take(&path).unwrap_err().to_string();
        let owner = format!("(process {})", std::process::id());
        assert!(error.contains(&owner), "{error}");
        assert!(!error.contains('\n'), "{error}");
        drop(first);
        Folder::take(&path).unwrap();
    }

    #[test]
    fn beside_a_folder_in_use_another_is_taken() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("dev");
        let first = Folder::take_beside(&path).unwrap();
        let second = Folder::take_beside(&path).unwrap();
        assert_eq!(first.path(), path);
        assert_eq!(second.path(), parent.path().join("dev-2"));
        drop(first);
        assert_eq!(Folder::take_beside(&path).unwrap().path(), path);
    }

    #[test]
    fn only_a_temporary_folder_is_removed() {
        let parent = tempfile::tempdir().unwrap();
        let temporary = Folder::temporary(parent.path()).unwrap();
        temporary.remove_if_temporary();
        assert!(!temporary.path().exists());
        let kept = Folder::take(&parent.path().join("dev")).unwrap();
        kept.remove_if_temporary();
        assert!(kept.path().exists());
    }

    #[test]
    fn of_those_that_failed_the_last_is_kept() {
        let parent = tempfile::tempdir().unwrap();
        let failed = || Folder::temporary(parent.path()).unwrap();
        let (first, second) = (failed(), failed());
        let paths = [first.path.clone(), second.path.clone()];
        first.keep();
        // As long as its owner is there, it is in use.
        second.keep();
        drop((first, second));
        let third = failed();
        assert!(paths.iter().all(|path| path.exists()));
        third.keep();
        assert!(!paths.iter().any(|path| path.exists()));
        assert!(third.path.exists());
    }

    #[test]
    fn what_a_killed_owner_left_is_removed_and_nothing_else() {
        let parent = tempfile::tempdir().unwrap();
        let running = Folder::temporary(parent.path()).unwrap();
        let failed = Folder::temporary(parent.path()).unwrap();
        failed.keep();
        let killed = Folder::temporary(parent.path()).unwrap();
        let paths = (failed.path.clone(), killed.path.clone());
        drop((failed, killed));
        fs::create_dir(parent.path().join("dev")).unwrap();
        drop(Folder::temporary(parent.path()).unwrap());
        assert!(running.path().exists());
        assert!(paths.0.exists());
        assert!(!paths.1.exists());
        assert!(parent.path().join("dev").exists());
    }
}
