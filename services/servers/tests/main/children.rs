use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use servers::Process;

fn pid(pid: u32) -> Pid {
    Pid::from_raw(i32::try_from(pid).unwrap())
}

fn sh(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

async fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn is_there(id: Pid) -> bool {
    kill(id, None).is_ok()
}

/// Not a test of its own: what the next test runs as a process that is killed.
#[tokio::test]
async fn a_parent_that_waits_to_be_killed() {
    let Some(file) = std::env::var_os("SERVERS_TEST_CHILD") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    // Started from a thread that ends at once: the child must outlive it.
    let child = std::thread::spawn(move || {
        let child = Process::start("child", sh("sleep 600"), &folder.path().join("log")).unwrap();
        std::mem::forget(folder);
        child
    })
    .join()
    .unwrap();
    assert!(is_there(pid(child.pid())));
    std::fs::write(file, child.pid().to_string()).unwrap();
    child.ended().await;
}

#[tokio::test]
async fn children_die_with_a_killed_parent() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "children::a_parent_that_waits_to_be_killed"])
        .env("SERVERS_TEST_CHILD", &file)
        .spawn()
        .unwrap();
    let read = || std::fs::read_to_string(&file).ok()?.parse().ok();
    wait_until("the child's start", || read().is_some()).await;
    let child = pid(read().unwrap());
    assert!(is_there(child));
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_until("the child's death", || !is_there(child)).await;
}

#[tokio::test]
async fn a_dropped_process_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start("child", sh("sleep 600"), &folder.path().join("log")).unwrap();
    let child = pid(process.pid());
    assert!(is_there(child));
    drop(process);
    assert!(!is_there(child));
}

#[tokio::test]
async fn a_process_that_does_not_heed_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let script = "trap '' TERM; echo ready; while :; do sleep 0.05; done";
    let process = Process::start("child", sh(script), &log).unwrap();
    wait_until("its start", || process.last_lines(1) == "ready").await;
    let status = process.stop_within(Duration::from_millis(200)).await;
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(status.signal(), Some(Signal::SIGKILL as i32));
}

#[tokio::test]
async fn an_end_is_told_with_its_status() {
    let folder = tempfile::tempdir().unwrap();
    let process = Process::start("child", sh("exit 7"), &folder.path().join("log")).unwrap();
    assert_eq!(process.ended().await.code(), Some(7));
    assert_eq!(process.status().unwrap().code(), Some(7));
}
