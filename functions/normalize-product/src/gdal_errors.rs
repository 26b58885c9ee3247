//! What GDAL reports on the side: its calls that flush and close a file return nothing before version 3.7, so a full
//! disk would go unnoticed. Failures are kept for the thread that they happened in.

use std::cell::RefCell;
use std::sync::Once;

use gdal::config::set_error_handler;
use gdal::errors::CplErrType;

/// More failures than this say nothing new.
const MAX_FAILURES: usize = 10;

thread_local! {
    static FAILURES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Starts to collect failures; warnings go to stderr. Further calls change nothing.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        set_error_handler(|class, _, message| match class {
            CplErrType::Failure | CplErrType::Fatal => FAILURES.with_borrow_mut(|failures| {
                if failures.len() < MAX_FAILURES {
                    failures.push(message.to_owned());
                }
            }),
            CplErrType::Warning => eprintln!("warning: GDAL: {message}"),
            CplErrType::None | CplErrType::Debug => {}
        });
    });
}

/// Hands out this thread's failures since the last time, oldest first.
pub fn take() -> Vec<String> {
    FAILURES.take()
}
