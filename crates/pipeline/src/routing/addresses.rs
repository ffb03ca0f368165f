//! Members' mailboxes, at hand: the ledger's directory as it was read last.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::ports::{Directory, LedgerError, Person};

/// Members' mailboxes. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct AddressBook {
    by_userid: Arc<RwLock<HashMap<String, String>>>,
}

/// The book, held open.
pub(crate) struct Open<'a>(&'a HashMap<String, String>);

impl<'a> Open<'a> {
    pub(crate) fn get(&self, userid: &str) -> Option<&'a str> {
        self.0.get(&userid.to_ascii_lowercase()).map(String::as_str)
    }
}

impl AddressBook {
    /// Reads the directory anew.
    ///
    /// # Errors
    /// [`LedgerError`] if it could not be read; the book is as it was.
    pub async fn refresh(&self, directory: &(impl Directory + ?Sized)) -> Result<(), LedgerError> {
        let people = directory.people().await?;
        let book = people.into_iter().map(|Person { userid, email }| (userid.to_ascii_lowercase(), email));
        *self.by_userid.write() = book.collect();
        Ok(())
    }

    pub(crate) fn with<T>(&self, read: impl FnOnce(Open<'_>) -> T) -> T {
        read(Open(&self.by_userid.read()))
    }
}
