//! A browser without a window, and a page in it, told by the DevTools protocol what to do: over a pipe, so that no port is
//! opened. Keys and mouse are those of a person, as far as a page can tell.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

const BROWSER: &str = "chromium";

/// A browser that says nothing for so long has hung.
const SILENCE: Duration = Duration::from_secs(120);

/// It reads orders from descriptor 3, and answers on descriptor 4.
const START: &str = "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null";

const ARGUMENTS: [&str; 9] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-quic",
    "--remote-debugging-pipe",
];

/// Whether the browser is there. Where it is not the test is skipped, which in CI is a failure.
pub(crate) fn has_browser() -> bool {
    crate::support::has(BROWSER, &[BROWSER, "--version"])
}

/// How a page is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) width: u32,
    pub(crate) dark: bool,
}

pub(crate) const LAPTOP: Screen = Screen {
    width: 1_280,
    dark: false,
};

/// A page in a browser of its own.
pub(crate) struct Page {
    browser: Child,
    orders: ChildStdin,
    answers: Receiver<Value>,
    last: u64,
    session: Option<Value>,
    runs_scripts: bool,
    /// What it told by itself.
    told: Vec<Value>,
    _profile: TempDir,
}

impl Page {
    /// An empty page.
    pub(crate) fn new(screen: Screen) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let folder = format!("--user-data-dir={}", profile.path().display());
        let mut browser = Command::new("sh")
            .args(["-c", START, "sh", BROWSER])
            .args(ARGUMENTS)
            .args([&folder, "about:blank"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let orders = browser.stdin.take().unwrap();
        let mut stdout = BufReader::new(browser.stdout.take().unwrap());
        let (tell, answers) = channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while stdout
                .read_until(0, &mut message)
                .is_ok_and(|length| length > 0)
            {
                message.pop();
                let parsed = serde_json::from_slice(&message);
                message.clear();
                if parsed.is_ok_and(|message| tell.send(message).is_ok()) {
                    continue;
                }
                break;
            }
        });
        let mut page = Self {
            browser,
            orders,
            answers,
            last: 0,
            session: None,
            runs_scripts: true,
            told: Vec::new(),
            _profile: profile,
        };
        page.attach();
        page.show(screen);
        page
    }

    /// An empty page, with this file then opened in it.
    pub(crate) fn of(file: &Path, screen: Screen) -> Self {
        let mut page = Self::new(screen);
        page.open(file, "");
        page
    }

    fn attach(&mut self) {
        let targets = self.call("Target.getTargets", json!({}));
        let targets = targets["targetInfos"].as_array().unwrap().iter();
        let page = targets.into_iter().find(|target| target["type"] == "page");
        let target = page.unwrap()["targetId"].clone();
        let attached = json!({ "targetId": target, "flatten": true });
        let attached = self.call("Target.attachToTarget", attached);
        self.session = Some(attached["sessionId"].clone());
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            self.call(domain, json!({}));
        }
    }

    /// Shows it so from now on.
    pub(crate) fn show(&mut self, Screen { width, dark }: Screen) {
        let scheme = if dark { "dark" } else { "light" };
        self.call(
            "Emulation.setDeviceMetricsOverride",
            json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false }),
        );
        self.call(
            "Emulation.setEmulatedMedia",
            json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] }),
        );
    }

    /// Runs none of its scripts from now on.
    pub(crate) fn without_scripts(&mut self) {
        self.runs_scripts = false;
        self.call(
            "Emulation.setScriptExecutionDisabled",
            json!({ "value": true }),
        );
    }

    /// Opens a file, at this place in it.
    pub(crate) fn open(&mut self, file: &Path, fragment: &str) {
        self.visit(&format!("file://{}{fragment}", file.display()));
    }

    /// Opens an address.
    pub(crate) fn visit(&mut self, url: &str) {
        let answer = self.call("Page.navigate", json!({ "url": url }));
        assert!(answer["errorText"].is_null(), "{answer}");
        self.wait_for("Page.loadEventFired");
    }

    /// Asks the browser for something.
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut order = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            order["sessionId"] = session.clone();
        }
        self.orders.write_all(order.to_string().as_bytes()).unwrap();
        self.orders.write_all(b"\0").unwrap();
        loop {
            let mut message = self.next();
            if message["id"] == self.last {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].take();
            }
            self.told.push(message);
        }
    }

    fn next(&mut self) -> Value {
        let message = self.answers.recv_timeout(SILENCE);
        message.expect("the browser says something")
    }

    /// Waits until the browser tells this of the page.
    pub(crate) fn wait_for(&mut self, method: &str) {
        loop {
            if let Some(place) = self.told.iter().position(|one| one["method"] == method) {
                self.told.remove(place);
                return;
            }
            let message = self.next();
            self.told.push(message);
        }
    }

    /// The value of an expression in the page; of a promise when it is fulfilled.
    pub(crate) fn see(&mut self, expression: &str) -> Value {
        let mut answer = self.call(
            "Runtime.evaluate",
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true }),
        );
        assert!(
            answer["exceptionDetails"].is_null(),
            "{expression}: {answer}"
        );
        answer["result"]["value"].take()
    }

    /// Waits until what was drawn last is seen.
    pub(crate) fn wait_until_drawn(&mut self) {
        // Without scripts nothing is drawn but what the browser draws itself.
        if !self.runs_scripts {
            return;
        }
        self.see("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))");
    }

    /// Where on the screen something is that a selector names, once it is scrolled to: left, top, width, height.
    pub(crate) fn place(&mut self, selector: &str) -> [f64; 4] {
        let name = json!(selector);
        let place = self.see(&format!(
            "(() => {{ const one = document.querySelector({name}); one.scrollIntoView({{ block: 'center', behavior: 'instant' }}); \
             const {{ x, y, width, height }} = one.getBoundingClientRect(); return [x, y, width, height]; }})()"
        ));
        let place: Vec<f64> = place
            .as_array()
            .unwrap()
            .iter()
            .filter_map(Value::as_f64)
            .collect();
        place.try_into().unwrap()
    }

    /// Moves the mouse there, with this button held.
    pub(crate) fn mouse(&mut self, kind: &str, (x, y): (f64, f64), button: &str) {
        self.call(
            "Input.dispatchMouseEvent",
            json!({ "type": kind, "x": x, "y": y, "button": button, "buttons": u8::from(button == "left"), "clickCount": 1 }),
        );
    }

    /// Clicks on the middle of what a selector names.
    pub(crate) fn click(&mut self, selector: &str) {
        let [x, y, width, height] = self.place(selector);
        let at = (x + width / 2.0, y + height / 2.0);
        self.mouse("mousePressed", at, "left");
        self.mouse("mouseReleased", at, "left");
        self.wait_until_drawn();
    }

    /// Presses a key: `Tab`, `Enter`, `ArrowRight`, or a letter.
    pub(crate) fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            "Escape" => (27, ""),
            "ArrowLeft" => (37, ""),
            "ArrowRight" => (39, ""),
            letter => (0, letter),
        };
        let down = json!({
            "type": if text.is_empty() { "rawKeyDown" } else { "keyDown" },
            "key": key, "text": text, "windowsVirtualKeyCode": code,
        });
        self.call("Input.dispatchKeyEvent", down);
        let up = json!({ "type": "keyUp", "key": key, "windowsVirtualKeyCode": code });
        self.call("Input.dispatchKeyEvent", up);
        self.wait_until_drawn();
    }

    /// Everything the page, or the browser about it, complained of since the last question.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        self.wait_until_drawn();
        let is_one = |message: &Value| {
            let method = message["method"].as_str().unwrap_or_default();
            [
                "Runtime.exceptionThrown",
                "Runtime.consoleAPICalled",
                "Log.entryAdded",
            ]
            .contains(&method)
        };
        let (complaints, rest) = self.told.drain(..).partition(is_one);
        self.told = rest;
        let complaints: Vec<Value> = complaints;
        complaints.iter().map(Value::to_string).collect()
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // It ends all of its processes itself when it is asked to; what does not hear is killed.
        let close = json!({ "id": 0, "method": "Browser.close" });
        let asked = self.orders.write_all(format!("{close}\0").as_bytes());
        if asked.is_err() {
            let _ = self.browser.kill();
        }
        while self.answers.recv_timeout(SILENCE).is_ok() {}
        let _ = self.browser.kill();
        let _ = self.browser.wait();
    }
}
