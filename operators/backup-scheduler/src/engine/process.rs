//! Runs restic as a child process.
use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::lines::Lines;
use super::messages::Message;
use super::outcome::{Collected, Exit, Failure, Hopeless};

/// How long restic may take to end after SIGINT: it finishes the uploads that have begun, then removes its lock. The kubelet
/// kills the mover 30 s after SIGTERM.
const GRACE: Duration = Duration::from_secs(20);
/// How often it is checked whether the call is hopeless.
const TICK: Duration = Duration::from_secs(1);
const BUFFER: usize = 64 * 1024;

/// How a child ended.
#[derive(Debug)]
pub struct Ended {
    /// Its end.
    pub exit: Exit,
    /// What it wrote.
    pub collected: Collected,
    /// Why we ended it, if we did.
    pub stopped: Option<Failure>,
}

/// What a call does with the output of restic, line by line.
pub type OnLine<'a> = dyn FnMut(&str, Option<&Message>) + Send + 'a;

/// What a backup waits for, stopped, at the first file that cannot be read. If it fails, the backup is ended.
pub type Hold = dyn Fn() -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> + Send + Sync;

/// Runs the program in a folder to its end. When `stop` is cancelled, or when its errors are hopeless, it is asked to end, and killed if it
/// does not.
pub async fn run(
    program: &Path,
    arguments: &[OsString],
    environment: &[(&'static str, OsString)],
    folder: &Path,
    stop: &CancellationToken,
    hold: Option<&Hold>,
    on_line: &mut OnLine<'_>,
) -> io::Result<Ended> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().current_dir(folder);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // A process group of its own: a signal of a terminal reaches the mover only, which ends restic in order.
    command.process_group(0).kill_on_drop(true);
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let mut stdout = Pipe::new(stdout);
    let mut stderr = Pipe::new(stderr);

    let start = Instant::now();
    let mut collected = Collected::default();
    let mut hopeless = Hopeless::default();
    let mut stopped: Option<Failure> = None;
    let mut ending = Ending::No;
    let mut waited = false;
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // The pipes end when restic does: it starts no other process.
    while !(stdout.ended && stderr.ended) {
        tokio::select! {
            result = stdout.read(), if !stdout.ended => result?,
            result = stderr.read(), if !stderr.ended => result?,
            () = stop.cancelled(), if stopped.is_none() => {
                stopped = Some(Failure::new(crate::task::Reason::Cancelled, "the mover was told to end"));
            }
            _ = tick.tick(), if stopped.is_none() => stopped = hopeless.due(start.elapsed()),
            () = sleep_until(ending.kill_at()), if matches!(ending, Ending::Asked(_)) => {
                ending = Ending::Killed;
                child.start_kill()?;
            }
        }
        let mut take = |line: &str| {
            hopeless.read(start.elapsed(), line);
            let message = collected.read(line);
            on_line(line, message.as_ref());
        };
        stdout.lines(&mut take);
        stderr.lines(&mut take);
        if let Some(wait) = hold.filter(|_| !waited && stopped.is_none() && collected.problem_count > 0) {
            waited = true;
            send(&child, Signal::STOP);
            let result = wait().await;
            send(&child, Signal::CONT);
            stopped = result.err();
        }
        if stopped.is_some() && ending == Ending::No {
            send(&child, Signal::INT);
            ending = Ending::Asked(Instant::now() + GRACE);
        }
    }
    let status = child.wait().await?;
    let exit = match (status.code(), std::os::unix::process::ExitStatusExt::signal(&status)) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    };
    Ok(Ended {
        exit,
        collected,
        stopped,
    })
}

/// How far a child is from its end that we want.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    No,
    /// It was asked, and is killed at this time.
    Asked(Instant),
    Killed,
}

impl Ending {
    fn kill_at(self) -> Instant {
        match self {
            Self::Asked(at) => at,
            Self::No | Self::Killed => Instant::now(),
        }
    }
}

fn send(child: &Child, signal: Signal) {
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    // It may have ended meanwhile. Until it is waited for, its id is not given to another process.
    let _ = id.map(|id| kill_process(id, signal));
}

/// A stream of the child, read line by line.
struct Pipe<R> {
    stream: Option<R>,
    splitter: Lines,
    filled: usize,
    buffer: Vec<u8>,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(stream: Option<R>) -> Self {
        Self {
            ended: stream.is_none(),
            stream,
            splitter: Lines::default(),
            filled: 0,
            buffer: vec![0; BUFFER],
        }
    }

    /// Reads what is there into the buffer. It is safe to be cancelled.
    async fn read(&mut self) -> io::Result<()> {
        if let Some(stream) = &mut self.stream {
            self.filled = stream.read(&mut self.buffer).await?;
            self.ended = self.filled == 0;
        }
        Ok(())
    }

    /// Gives the lines in what was read.
    fn lines(&mut self, line: &mut dyn FnMut(&str)) {
        self.splitter.push(&self.buffer[..self.filled], line);
        self.filled = 0;
        if self.ended {
            self.splitter.finish(line);
        }
    }
}
