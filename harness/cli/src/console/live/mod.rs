//! The live view on a terminal: some lines below what was printed, drawn over four times a second. What is printed meanwhile goes above
//! it; when it ends, it is gone, and the report follows.
//!
//! ```text
//! journal's thread ── events, operations ─▶ board ── draw (pure) ─▶ lines ─▶ screen
//! ```
//! It is told what the journal has written. So neither the engine nor the load waits for it, or counts anything for it.

mod draw;
mod screen;
mod stop;
#[cfg(test)]
mod tests;
mod text;

use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::board::Watched;
use draw::Room;
use screen::Screen;

/// How often the view is drawn.
const TICK: Duration = Duration::from_millis(250);
/// How long whoever ends the program at once waits for the terminal. It may be stopped (Ctrl-S).
const PATIENCE: Duration = Duration::from_millis(200);

/// The view that is shown. Whatever else prints must go above it.
static SHOWN: Mutex<Option<Arc<Shared>>> = Mutex::new(None);

/// What the view has.
#[derive(Debug)]
struct Shared {
    board: Arc<Watched>,
    said: Mutex<Said>,
    news: Condvar,
    screen: Mutex<Screen>,
    /// In one line.
    is_bar: bool,
}

#[derive(Debug, Default)]
struct Said {
    lines: Vec<String>,
    /// Nothing is drawn any more.
    is_over: bool,
}

/// Nothing is left half done under these locks.
fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A view that is shown until this is dropped.
#[derive(Debug)]
pub(super) struct View {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl View {
    /// Shows a board. `None` if there is no thread for it: then lines are printed.
    pub(super) fn show(board: Arc<Watched>, is_bar: bool, color: bool) -> Option<Self> {
        restore_at_panics();
        stop::restore_at_stops();
        let shared = Arc::new(Shared {
            board,
            said: Mutex::default(),
            news: Condvar::new(),
            screen: Mutex::new(Screen::new(color)),
            is_bar,
        });
        *held(&SHOWN) = Some(Arc::clone(&shared));
        let drawn = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("view".to_owned())
            .spawn(move || drawn.draw_until_over());
        match thread {
            Ok(thread) => Some(Self {
                shared,
                thread: Some(thread),
            }),
            Err(_) => {
                shared.end();
                None
            }
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        held(&self.shared.said).is_over = true;
        self.shared.news.notify_one();
        if let Some(thread) = self.thread.take() {
            // If it panicked, that was told.
            let _ = thread.join();
        }
        self.shared.end();
    }
}

impl Shared {
    fn draw_until_over(&self) {
        let mut said = held(&self.said);
        while !said.is_over {
            let lines = std::mem::take(&mut said.lines);
            drop(said);
            self.draw(&lines);
            said = held(&self.said);
            if said.lines.is_empty() && !said.is_over {
                let waited = self.news.wait_timeout(said, TICK);
                (said, _) = waited.unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn draw(&self, above: &[String]) {
        let terminal = Screen::room();
        // Behind its last column a terminal may be in two minds about where the cursor stands.
        let room = Room {
            columns: terminal.columns.saturating_sub(1),
            ..terminal
        };
        let lines = self.board.look(|board, now| match self.is_bar {
            true => vec![draw::bar(board, now, room)],
            false => draw::view(board, now, room),
        });
        let mut screen = held(&self.screen);
        // Whoever ended it has given the terminal back.
        match is_shown(self) {
            true => screen.show(above, &lines, terminal),
            false => screen.give_back(above),
        }
    }

    /// The terminal is given back, with all that was said.
    fn end(&self) {
        let lines = self.close();
        held(&self.screen).give_back(&lines);
    }

    /// From now on what is said is printed by whoever says it.
    fn close(&self) -> Vec<String> {
        let mut shown = held(&SHOWN);
        if shown
            .as_deref()
            .is_some_and(|shown| std::ptr::eq(shown, self))
        {
            *shown = None;
        }
        drop(shown);
        let mut said = held(&self.said);
        said.is_over = true;
        std::mem::take(&mut said.lines)
    }
}

fn is_shown(shared: &Shared) -> bool {
    let shown = held(&SHOWN);
    shown
        .as_deref()
        .is_some_and(|shown| std::ptr::eq(shown, shared))
}

/// Prints a text above the view. False if there is none: then it is to be printed as usual.
pub(crate) fn say_above(text: &str) -> bool {
    let Some(shared) = held(&SHOWN).clone() else {
        return false;
    };
    let mut said = held(&shared.said);
    if said.is_over {
        return false;
    }
    said.lines.push(text.to_owned());
    shared.news.notify_one();
    true
}

/// Gives the terminal back where the program ends at once, by a panic or a second signal. What was said is printed.
pub(crate) fn restore() {
    let Some(shared) = held(&SHOWN).take() else {
        return;
    };
    let lines = shared.close();
    let begun = Instant::now();
    loop {
        match shared.screen.try_lock() {
            Ok(mut screen) => return screen.give_back(&lines),
            Err(TryLockError::Poisoned(screen)) => return screen.into_inner().give_back(&lines),
            Err(TryLockError::WouldBlock) if begun.elapsed() < PATIENCE => std::thread::yield_now(),
            Err(TryLockError::WouldBlock) => return,
        }
    }
}

/// The message of a panic is not to be written into the view.
fn restore_at_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            hook(panic);
        }));
    });
}
