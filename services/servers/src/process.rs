//! A child process that dies with this one.

use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, Read, Seek, SeekFrom, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use anyhow::Context;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Pid, getppid};
use tokio::sync::watch;

/// How long a process may take to end after SIGTERM.
pub const GRACE: Duration = Duration::from_secs(30);

/// A running child process. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    log: PathBuf,
    child: Arc<Running>,
    ended: watch::Receiver<Option<ExitStatus>>,
}

/// The child, until somebody has waited for it: from then on its pid may be another's.
#[derive(Debug)]
struct Running {
    child: Mutex<Option<Child>>,
    gone: Condvar,
}

impl Process {
    /// Starts `command`; what it prints is appended to the file `log`.
    pub fn start(name: &str, command: Command, log: &Path) -> anyhow::Result<Self> {
        let file = open_log(log)?;
        Self::spawn(name, command, log, file.try_clone()?.into(), file.into())
    }

    /// Starts `command`; what it prints can be read from the pipe. `log` is where the reader is
    /// going to put it.
    pub fn start_piped(
        name: &str,
        command: Command,
        log: &Path,
    ) -> anyhow::Result<(Self, PipeReader)> {
        let (reader, writer) = io::pipe()?;
        let process = Self::spawn(
            name,
            command,
            log,
            writer.try_clone()?.into(),
            writer.into(),
        )?;
        Ok((process, reader))
    }

    fn spawn(
        name: &str,
        mut command: Command,
        log: &Path,
        stdout: Stdio,
        stderr: Stdio,
    ) -> anyhow::Result<Self> {
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        // Ctrl-C in the terminal is for this process alone, which then ends its children in order.
        command.process_group(0);
        let program = command.get_program().to_owned();
        let child = spawn_on_lasting_thread(command)
            .with_context(|| format!("cannot start {name} ({})", program.display()))?;
        let pid = child.id();
        let (tell, ended) = watch::channel(None);
        let child = Arc::new(Running {
            child: Mutex::new(Some(child)),
            gone: Condvar::new(),
        });
        let waiting = Arc::clone(&child);
        std::thread::Builder::new()
            .name(format!("wait {name}"))
            .spawn(move || wait(pid, &waiting, &tell))?;
        Ok(Self {
            name: name.to_owned(),
            pid,
            log: log.to_owned(),
            child,
            ended,
        })
    }

    /// What it is called in messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The file with what it printed.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Whether it has ended, and how.
    pub fn status(&self) -> Option<ExitStatus> {
        *self.ended.borrow()
    }

    /// Waits until it has ended by itself or otherwise.
    pub fn ended(&self) -> impl Future<Output = ExitStatus> + Send + use<> {
        let mut ended = self.ended.clone();
        async move {
            let status = ended.wait_for(Option::is_some).await;
            status
                .ok()
                .and_then(|status| *status)
                .expect("the waiting thread says how the process ended before it goes")
        }
    }

    /// Sends a signal, unless it has ended.
    pub fn signal(&self, signal: Signal) {
        if self.child.lock().is_some()
            && let Ok(pid) = i32::try_from(self.pid)
        {
            // It may be a zombie by now, which takes signals in silence; it cannot be another's
            // pid as long as nobody has waited for it.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Asks it to end (SIGTERM) and waits; kills it if it has not ended within [`GRACE`].
    pub async fn stop(&self) -> ExitStatus {
        self.stop_within(GRACE).await
    }

    /// Asks it to end (SIGTERM) and waits; kills it if it has not ended within `grace`.
    pub async fn stop_within(&self, grace: Duration) -> ExitStatus {
        self.signal(Signal::SIGTERM);
        match tokio::time::timeout(grace, self.ended()).await {
            Ok(status) => status,
            Err(_) => self.kill().await,
        }
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub async fn kill(&self) -> ExitStatus {
        self.signal(Signal::SIGKILL);
        self.ended().await
    }

    /// The last lines that it printed.
    pub fn last_lines(&self, count: usize) -> String {
        let text = tail(&self.log, 64 * 1024).unwrap_or_else(|error| error.to_string());
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        // Its files may be removed next: it must be gone by then. A killed process is, at once.
        let running = self.child.lock();
        let gone = self.child.gone.wait_while(running, |child| child.is_some());
        drop(gone);
    }
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens a log for appending, readable by its owner alone.
pub fn open_log(log: &Path) -> anyhow::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(log)
        .with_context(|| format!("cannot open {}", log.display()))
}

/// Writes a file that its owner alone may read, whole or not at all.
pub fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let half = path.with_extension("new");
    let _ = std::fs::remove_file(&half);
    open_log(&half)?.write_all(text.as_bytes())?;
    std::fs::rename(&half, path).with_context(|| format!("cannot write {}", path.display()))
}

fn tail(path: &Path, bytes: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    Ok(String::from_utf8_lossy(&end).into_owned())
}

/// Waits for the child without taking it off the process table, and takes it off only under the
/// lock: so whoever holds the lock and finds the child there may signal its pid.
fn wait(pid: u32, running: &Running, tell: &watch::Sender<Option<ExitStatus>>) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap_or_default());
    let how = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
    while waitid(Id::Pid(pid), how) == Err(Errno::EINTR) {}
    let mut child = running.lock();
    let status = child.take().and_then(|mut child| child.wait().ok());
    running.gone.notify_all();
    tell.send_replace(Some(status.unwrap_or_default()));
}

struct Job {
    command: Command,
    reply: mpsc::Sender<io::Result<Child>>,
}

/// The kernel ties a parent-death signal to the *thread* that forked, so all children come from
/// one thread that lives as long as the process.
fn spawn_on_lasting_thread(command: Command) -> io::Result<Child> {
    static JOBS: OnceLock<mpsc::Sender<Job>> = OnceLock::new();
    let jobs = JOBS.get_or_init(|| {
        let (jobs, inbox) = mpsc::channel::<Job>();
        std::thread::Builder::new()
            .name("spawn".to_owned())
            .spawn(move || {
                for Job { command, reply } in inbox {
                    let _ = reply.send(die_with_parent(command).spawn());
                }
            })
            .expect("a thread can be started");
        jobs
    });
    let (reply, answer) = mpsc::channel();
    let gone = || io::Error::other("the spawning thread is gone");
    jobs.send(Job { command, reply }).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

/// Makes the child ask the kernel for SIGKILL at its parent's death.
#[expect(
    unsafe_code,
    reason = "std has no other way to run two system calls between fork and exec; both are \
              async-signal-safe and nothing is allocated"
)]
fn die_with_parent(mut command: Command) -> Command {
    let parent = Pid::this();
    // SAFETY: between fork and exec only prctl(2) and getppid(2) are called.
    unsafe {
        command.pre_exec(move || {
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
            // The parent may have died before the call above.
            if getppid() == parent {
                Ok(())
            } else {
                Err(Errno::ESRCH.into())
            }
        });
    }
    command
}
