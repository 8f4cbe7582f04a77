//! A Chromium that is driven by its DevTools protocol over a pipe, which needs neither a port nor a WebSocket.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{self, Sender},
    },
    thread,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::JsSdkError;
use crate::{browser::chromium, venv::target_directory};

/// Longer than anything that the page waits for itself.
const PATIENCE: Duration = Duration::from_secs(180);
/// Chromium reads orders from file descriptor 3 and answers on 4; what we can give a child are 0 and 1.
const WITH_A_PIPE: &str = r#"exec "$@" 3<&0 4>&1 </dev/null >&2"#;

/// A running browser. It ends when this value is dropped, and also when the whole process dies without dropping it.
#[derive(Debug)]
pub(super) struct DevTools {
    process: Child,
    directory: TempDir,
    orders: Mutex<ChildStdin>,
    last_id: AtomicU64,
    answers: Answers,
}

/// Who waits for which answer; nobody any more once the browser is gone.
type Answers = Arc<Mutex<Option<HashMap<u64, Sender<Value>>>>>;

impl DevTools {
    /// Starts one by `spawn`.
    pub(super) fn start(
        spawn: impl FnOnce(&mut Command) -> Result<Child, JsSdkError>,
    ) -> Result<Self, JsSdkError> {
        let mut browser = chromium()?;
        let parent = target_directory()?.join("interop");
        let directory = tempfile::Builder::new().prefix("run-").tempdir_in(parent)?;
        let profile = directory.path().join("profile");
        browser
            .arg("--remote-debugging-pipe")
            .arg("--allow-loopback-in-peer-connection")
            // The homeservers of tests have certificates of their own.
            .arg("--ignore-certificate-errors")
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank");
        let mut command = Command::new("sh");
        command
            .args(["-c", WITH_A_PIPE, "sh"])
            .arg(browser.get_program())
            .args(browser.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(directory.path().join("log"))?);
        let mut process = spawn(&mut command)?;
        let no_pipe = || io::Error::other("no pipe to the child");
        let orders = process.stdin.take().ok_or_else(no_pipe)?;
        let stdout = process.stdout.take().ok_or_else(no_pipe)?;
        let answers: Answers = Arc::new(Mutex::new(Some(HashMap::new())));
        let waiting = Arc::clone(&answers);
        thread::Builder::new()
            .name("devtools".to_owned())
            .spawn(move || hand_out(stdout, &waiting))?;
        Ok(Self {
            process,
            directory,
            orders: Mutex::new(orders),
            last_id: AtomicU64::new(0),
            answers,
        })
    }

    /// Asks the browser for something, or a page of it, and waits for the answer.
    pub(super) fn ask(
        &self,
        session: Option<&str>,
        method: &str,
        parameters: &Value,
    ) -> Result<Value, JsSdkError> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let (sender, answer) = mpsc::channel();
        match lock(&self.answers).as_mut() {
            Some(waiting) => waiting.insert(id, sender),
            None => return Err(self.silent(method)),
        };
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = session {
            message["sessionId"] = session.into();
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        if lock(&self.orders).write_all(&bytes).is_err() {
            return Err(self.silent(method));
        }
        let answered = answer.recv_timeout(PATIENCE);
        if let Some(waiting) = lock(&self.answers).as_mut() {
            waiting.remove(&id);
        }
        let mut answer = answered.map_err(|_| self.silent(method))?;
        match answer["error"]["message"].as_str() {
            Some(said) => Err(JsSdkError::Refused {
                order: method.to_owned(),
                said: said.to_owned(),
            }),
            None => Ok(answer["result"].take()),
        }
    }

    /// The process that all its others descend from.
    pub(super) fn process_id(&self) -> u32 {
        self.process.id()
    }

    fn silent(&self, order: &str) -> JsSdkError {
        let log = fs::read_to_string(self.directory.path().join("log"));
        JsSdkError::Silent {
            order: order.to_owned(),
            log: log.unwrap_or_default(),
        }
    }
}

impl Drop for DevTools {
    fn drop(&mut self) {
        // Its other processes end with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Gives each answer to who waits for it, until there are no more.
fn hand_out(stdout: ChildStdout, answers: &Answers) {
    let messages = BufReader::new(stdout).split(0).map_while(Result::ok);
    for message in messages {
        // What has no ID is told to nobody in particular.
        if let Ok(message) = serde_json::from_slice::<Value>(&message)
            && let Some(id) = message["id"].as_u64()
            && let Some(sender) = lock(answers)
                .as_mut()
                .and_then(|waiting| waiting.remove(&id))
        {
            let _ = sender.send(message);
        }
    }
    // Wakes all who wait.
    *lock(answers) = None;
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
