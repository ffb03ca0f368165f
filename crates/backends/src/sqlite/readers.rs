//! Connections for reading, beside the one that writes.

use std::sync::Arc;

use parking_lot::Mutex;
use pipeline::ports::LedgerError;
use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::writer::{ledger_error, stopped};
use super::{File, READER_CACHE_KIB};

/// How many may read at once.
const READERS: usize = 3;

#[derive(Debug)]
pub(super) struct Readers {
    file: File,
    places: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    /// Opens the first connection; the others are opened when needed.
    pub(super) fn open(file: File) -> rusqlite::Result<Self> {
        let first = file.connect_to_read(READER_CACHE_KIB)?;
        let idle = Arc::new(Mutex::new(vec![first]));
        Ok(Self { file, places: Arc::new(Semaphore::new(READERS)), idle })
    }

    /// Closes every connection that nobody reads on, and lets nobody read any more.
    pub(super) fn close(&self) {
        self.places.close();
        self.idle.lock().clear();
    }

    /// Reads on a thread that may wait for the disk.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        read: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let place = self.places.clone().acquire_owned().await.map_err(|_| stopped(operation))?;
        let (idle, file, places) = (self.idle.clone(), self.file.clone(), self.places.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let kept = idle.lock().pop();
            let mut connection = match kept {
                Some(connection) => connection,
                None => file.connect_to_read(READER_CACHE_KIB)?,
            };
            let read = read(&mut connection);
            // One that failed is not trusted again.
            if read.is_ok() && !places.is_closed() {
                idle.lock().push(connection);
            }
            drop(place);
            read
        });
        match reading.await {
            Ok(read) => read.map_err(|error| ledger_error(operation, &Arc::new(error))),
            Err(_) => Err(stopped(operation)),
        }
    }
}
