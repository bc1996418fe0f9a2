//! Other processes that use the same files: this test binary again, as a child.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names what a child is to do, and with which folder.
const TASK: &str = "LANDFALL_TEST_STORE_TASK";
const FOLDER: &str = "LANDFALL_TEST_STORE_FOLDER";

/// Does nothing where no parent asks for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_child_does_what_its_parent_asks() {
    let (Ok(task), Ok(folder)) = (std::env::var(TASK), std::env::var(FOLDER)) else {
        return;
    };
    let folder = PathBuf::from(folder);
    match task.as_str() {
        "open" => crate::opening::open(&folder).await,
        "write" => crate::durability::write(&folder).await,
        _ => unreachable!("{task}"),
    }
}

/// A child that does `task`; what it prints can be read.
pub(crate) fn command(task: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "child::a_child_does_what_its_parent_asks",
            "--exact",
            "--nocapture",
        ])
        .env(TASK, task)
        .env(FOLDER, folder)
        .stdout(Stdio::piped());
    command
}
