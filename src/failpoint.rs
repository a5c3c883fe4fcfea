//! Named points between an effect (a link made, a record written) and the next step, at which the tests kill the daemon.
//!
//! Only the feature `failpoints` makes them do anything, and only this crate's own tests turn it on: in a release they
//! are calls of an empty function. What only memory holds dies with the process, so there is no point between two
//! changes of memory.

#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub(crate) const fn reached(_point: &'static str) {}

#[cfg(feature = "failpoints")]
pub(crate) use armed::reached;

#[cfg(feature = "failpoints")]
mod armed {
    use std::fs;
    use std::path::PathBuf;
    use std::sync::{LazyLock, Mutex, PoisonError};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;

    /// The file that arms the points: while it exists it holds the number of points to the one at which the daemon dies, a
    /// blank, and how the names of those that count begin.
    static COUNTDOWN: LazyLock<Option<PathBuf>> =
        LazyLock::new(|| std::env::var_os("TRUNKLINE_FAILPOINTS").map(PathBuf::from));

    /// Held while the file is read and written: two threads may come to their points at once.
    static COUNTING: Mutex<()> = Mutex::new(());

    /// The daemon has come to a point. If that is the one it is to die at, the file gets its name, and the process is
    /// killed as `kill -9` would.
    pub(crate) fn reached(point: &'static str) {
        let Some(file) = COUNTDOWN.as_ref() else { return };
        let _alone = COUNTING.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(text) = fs::read_to_string(file) else { return };
        let Some((left, counted)) = text.split_once(' ').filter(|(_, counted)| point.starts_with(counted))
        else {
            return;
        };
        let left = left.parse::<usize>().unwrap_or_default().saturating_sub(1);
        if left > 0 {
            // A file that cannot be written arms the wrong point, which the test that armed it sees.
            let _ = fs::write(file, format!("{left} {counted}"));
            return;
        }
        let _ = fs::write(file, point);
        // To oneself it cannot be refused, and nothing runs after it.
        let _ = kill(Pid::this(), Signal::SIGKILL);
    }
}
