//! What is logged while something runs, for tests.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard},
};

/// What this thread logs meanwhile.
pub(crate) fn logged(during: impl FnOnce()) -> String {
    let text = Text::default();
    let written = text.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(move || written.clone())
        .with_ansi(false)
        .finish();
    tracing::subscriber::with_default(subscriber, during);
    String::from_utf8(text.lock().clone()).unwrap()
}

#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Text {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap()
    }
}

impl io::Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
