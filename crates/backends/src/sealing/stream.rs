//! Sealing what is too large for memory: piece by piece, in order, so that a file is written and read as it comes.
//!
//! Each piece is sealed by itself, under a nonce of the file's random prefix, the piece's number, and whether it is the
//! last (the STREAM construction, eprint 2015/189): pieces that were exchanged, left out or cut off do not open. Knows
//! nothing about where the bytes are kept.

use std::io::{self, Read, Write};
use std::sync::Arc;

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead as _, Payload};

use super::{FORM, Keyring, MasterKey, NONCE, NUMBER, NotOpened, Place};

/// The form of a value that is sealed in pieces: this byte, the key's number (4 bytes), the prefix (19), the pieces.
const IN_PIECES: u8 = 2;
/// What of a sealed file says which key it was sealed with, in either form.
pub(crate) const HEAD: usize = 1 + NUMBER;
/// The random part of a nonce; the piece's number and whether it is the last are the rest.
const PREFIX: usize = NONCE - NUMBER - 1;
/// Bytes of a piece before it is sealed, and what sealing adds.
const PIECE: usize = 64 * 1024;
const TAG: usize = 16;

/// What stands at the beginning of a sealed file: the number of its key, whatever its form.
pub(crate) fn key_of_head(head: [u8; HEAD]) -> Option<u32> {
    let [form, number @ ..] = head;
    [FORM, IN_PIECES].contains(&form).then(|| u32::from_be_bytes(number))
}

/// What all pieces of a file have in common.
struct File {
    key: Arc<MasterKey>,
    bound: Vec<u8>,
    prefix: [u8; PREFIX],
    /// Of the next piece.
    number: u32,
}

impl File {
    fn next_nonce(&mut self, is_last: bool) -> io::Result<XNonce> {
        let mut nonce = [0; NONCE];
        nonce[..PREFIX].copy_from_slice(&self.prefix);
        nonce[PREFIX..PREFIX + NUMBER].copy_from_slice(&self.number.to_be_bytes());
        nonce[PREFIX + NUMBER] = u8::from(is_last);
        self.number = self.number.checked_add(1).ok_or_else(|| io::Error::from(io::ErrorKind::FileTooLarge))?;
        Ok(XNonce::from(nonce))
    }
}

/// Seals what is written to it.
pub(crate) struct Sealing<W> {
    file: File,
    /// Less than a piece, or a whole one that may be the last.
    waiting: Vec<u8>,
    to: W,
}

impl<W: Write> Sealing<W> {
    /// Begins, with the newest key.
    pub(crate) fn begin(ring: &Keyring, place: Place<'_>, mut to: W) -> io::Result<Self> {
        let key = ring.keys.read().last().cloned().ok_or_else(|| io::Error::other(NotOpened))?;
        let prefix: [u8; PREFIX] = rand::random();
        to.write_all(&[IN_PIECES])?;
        to.write_all(&key.number.to_be_bytes())?;
        to.write_all(&prefix)?;
        Ok(Self { file: File { key, bound: place.bound(), prefix, number: 0 }, waiting: Vec::with_capacity(PIECE), to })
    }

    /// Seals more.
    pub(crate) fn write(&mut self, mut plain: &[u8]) -> io::Result<()> {
        while !plain.is_empty() {
            if self.waiting.len() == PIECE {
                self.seal(false)?;
            }
            let (now, later) = plain.split_at(plain.len().min(PIECE - self.waiting.len()));
            self.waiting.extend_from_slice(now);
            plain = later;
        }
        Ok(())
    }

    /// Seals the last piece, and gives back what was written to.
    pub(crate) fn end(mut self) -> io::Result<W> {
        self.seal(true)?;
        Ok(self.to)
    }

    fn seal(&mut self, is_last: bool) -> io::Result<()> {
        let nonce = self.file.next_nonce(is_last)?;
        let payload = Payload { msg: &self.waiting, aad: &self.file.bound };
        let sealed = self.file.key.cipher.encrypt(&nonce, payload).map_err(|_| io::Error::other(NotOpened))?;
        self.waiting.clear();
        self.to.write_all(&sealed)
    }
}

/// Opens what was sealed in pieces, or whole.
pub(crate) struct Opening<R> {
    form: Form<R>,
}

enum Form<R> {
    Pieces {
        file: File,
        /// The piece that is next, still sealed.
        next: Option<Vec<u8>>,
        from: R,
    },
    /// From before files were sealed in pieces.
    Whole(Option<Vec<u8>>),
}

impl<R: Read> Opening<R> {
    /// Begins.
    pub(crate) fn begin(ring: &Keyring, place: Place<'_>, mut from: R) -> io::Result<Self> {
        let mut head = [0; HEAD];
        from.read_exact(&mut head)?;
        if head[0] != IN_PIECES {
            let mut whole = head.to_vec();
            from.read_to_end(&mut whole)?;
            let opened = ring.open(place, &whole).map_err(io::Error::other)?;
            return Ok(Self { form: Form::Whole(Some(opened)) });
        }
        let number = key_of_head(head).ok_or_else(|| io::Error::other(NotOpened))?;
        let key = ring.keys.read().iter().find(|key| key.number == number).cloned();
        let key = key.ok_or_else(|| io::Error::other(NotOpened))?;
        let mut prefix = [0; PREFIX];
        from.read_exact(&mut prefix)?;
        let first = sealed_piece(&mut from)?.ok_or_else(|| io::Error::other(NotOpened))?;
        let file = File { key, bound: place.bound(), prefix, number: 0 };
        Ok(Self { form: Form::Pieces { file, next: Some(first), from } })
    }

    /// Opens the next piece; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        match &mut self.form {
            Form::Whole(whole) => Ok(whole.take()),
            Form::Pieces { file, next, from } => {
                let Some(sealed) = next.take() else { return Ok(None) };
                *next = sealed_piece(from)?;
                let nonce = file.next_nonce(next.is_none())?;
                let payload = Payload { msg: &sealed, aad: &file.bound };
                file.key.cipher.decrypt(&nonce, payload).map(Some).map_err(|_| io::Error::other(NotOpened))
            }
        }
    }
}

/// Reads the next piece as it lies there; `None` at the end.
fn sealed_piece(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut piece = Vec::with_capacity(PIECE + TAG);
    from.take((PIECE + TAG) as u64).read_to_end(&mut piece)?;
    Ok((!piece.is_empty()).then_some(piece))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Place<'static> = Place { kind: "file", row: b"row 1" };

    fn sealed(ring: &Keyring, plain: &[u8], at_once: usize) -> Vec<u8> {
        let mut sealing = Sealing::begin(ring, HERE, Vec::new()).unwrap();
        plain.chunks(at_once).for_each(|part| sealing.write(part).unwrap());
        sealing.end().unwrap()
    }

    fn opened(ring: &Keyring, place: Place<'_>, sealed: &[u8]) -> io::Result<Vec<u8>> {
        let mut opening = Opening::begin(ring, place, sealed)?;
        let mut plain = Vec::new();
        while let Some(piece) = opening.next()? {
            plain.extend(piece);
        }
        Ok(plain)
    }

    #[test]
    fn every_length_opens_as_it_was_however_it_was_written() {
        let ring = Keyring::in_memory();
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 7] {
            let plain: Vec<u8> = (0..length).map(|i| (i % 251) as u8).collect();
            for at_once in [1000, PIECE, 10 * PIECE] {
                assert_eq!(opened(&ring, HERE, &sealed(&ring, &plain, at_once)).unwrap(), plain, "{length} {at_once}");
            }
        }
    }

    #[test]
    fn pieces_that_were_cut_off_exchanged_or_moved_do_not_open() {
        let ring = Keyring::in_memory();
        let whole = sealed(&ring, &[7; 3 * PIECE], PIECE);
        let (head, piece) = (HEAD + PREFIX, PIECE + TAG);
        for cut in [0, HEAD, head, head + 1, head + piece, head + 2 * piece, whole.len() - 1] {
            assert!(opened(&ring, HERE, &whole[..cut]).is_err(), "{cut} bytes");
        }
        let mut exchanged = whole.clone();
        exchanged[head..head + 2 * piece].rotate_left(piece);
        assert!(opened(&ring, HERE, &exchanged).is_err());
        for flipped in [0, 1, HEAD, head, head + piece, whole.len() - 1] {
            let mut other = whole.clone();
            other[flipped] ^= 1;
            assert!(opened(&ring, HERE, &other).is_err(), "byte {flipped}");
        }
        assert!(opened(&ring, Place::new("file", b"row 2"), &whole).is_err());
        assert!(opened(&Keyring::in_memory(), HERE, &whole).is_err());
    }

    #[test]
    fn a_file_that_was_sealed_whole_still_opens_and_names_its_key() {
        let ring = Keyring::in_memory();
        let whole = ring.seal(HERE, b"from before");
        assert_eq!(opened(&ring, HERE, &whole).unwrap(), b"from before");
        for file in [whole, sealed(&ring, b"new", 1)] {
            assert_eq!(key_of_head(*file.first_chunk().unwrap()), Some(1));
        }
        assert_eq!(key_of_head([9; HEAD]), None);
    }
}
