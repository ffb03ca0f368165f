//! Ids: `msg_`, `dlv_`, `att_`, `med_` and `brd_` plus 26 Crockford base32 characters of a `UUIDv7`.
//!
//! Ids are a family. A message id keeps its low 32 bits free; a delivery fills the upper half of them with its
//! position in the message, an attempt the lower half with its number. So the deliveries of a message, and the
//! attempts of a delivery, are a range of ids: the ledger needs no second index to find them.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use crate::Timestamp;

const FAMILY_BITS: u128 = 0xFFFF_FFFF;

/// The text is not an id of the wanted kind.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{text}` is not an id of the form `{prefix}` + 26 characters")]
pub struct InvalidId {
    text: String,
    prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// Returns the 26 characters after the prefix, as the ledger stores them.
            pub fn base32(self) -> String {
                ulid::Ulid(self.0).to_string()
            }

            /// Returns its 16 bytes, which sort as it does: the form that is stored.
            pub fn to_bytes(self) -> [u8; 16] {
                self.0.to_be_bytes()
            }

            /// Reads the 16 bytes that [`Self::to_bytes`] gives.
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(u128::from_be_bytes(bytes))
            }

            /// Reads the 26 characters after the prefix.
            ///
            /// # Errors
            /// [`InvalidId`] if the text is not 26 Crockford base32 characters of 128 bits.
            pub fn from_base32(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId { text: text.to_owned(), prefix: $prefix };
                // 26 characters hold 130 bits: a first character above 7 would overflow.
                if !text.starts_with(|first: char| matches!(first, '0'..='7')) {
                    return Err(invalid());
                }
                ulid::Ulid::from_string(text).map(|ulid| Self(ulid.0)).map_err(|_| invalid())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0; ulid::ULID_LEN];
                write!(f, concat!($prefix, "{}"), ulid::Ulid(self.0).array_to_str(&mut buffer))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = || InvalidId { text: text.to_owned(), prefix: $prefix };
                Self::from_base32(text.strip_prefix($prefix).ok_or_else(invalid)?).map_err(|_| invalid())
            }
        }
    };
}

id!(
    /// Names an accepted message.
    MessageId, "msg_"
);
id!(
    /// Names one delivery of a message: its message's id plus its position, counted from 1.
    DeliveryId, "dlv_"
);
id!(
    /// Names one attempt of a delivery: its delivery's id plus its number, counted from 1.
    AttemptId, "att_"
);

id!(
    /// Names a file that was handed in.
    MediaId, "med_"
);
id!(
    /// Names a broadcast; the low 32 bits are those of its rows.
    BroadcastId, "brd_"
);

impl BroadcastId {
    /// Makes an id out of a fresh `UUIDv7`, clearing the bits that rows fill.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid.as_u128() & !FAMILY_BITS)
    }

    /// Returns the 16 bytes that name a row, counted from 1; 0 and [`u32::MAX`] enclose all of them.
    pub fn row(self, position: u32) -> [u8; 16] {
        (self.0 | u128::from(position)).to_be_bytes()
    }

    /// Returns the position of a row by the bytes that name it.
    pub fn position(row: [u8; 16]) -> u32 {
        let [.., a, b, c, d] = row;
        u32::from_be_bytes([a, b, c, d])
    }
}

impl MediaId {
    /// Makes an id out of a fresh `UUIDv7`.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid.as_u128())
    }
}

impl MessageId {
    /// Returns when the message was accepted.
    pub fn time(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.0 >> 80).unwrap_or(0))
    }

    /// Returns the least id that a message accepted at `time` can have.
    pub fn first_at(time: Timestamp) -> Self {
        // The first 48 bits of a UUIDv7 are its milliseconds (RFC 9562, section 5.7).
        Self(u128::try_from(time.as_millis()).unwrap_or(0) << 80)
    }

    /// Makes an id out of a fresh `UUIDv7`, clearing the bits that deliveries and attempts fill.
    pub fn from_uuid(uuid: Uuid) -> Self {
        Self(uuid.as_u128() & !FAMILY_BITS)
    }

    /// Returns the id of the delivery at `position`, counted from 1.
    pub fn delivery(self, position: u16) -> DeliveryId {
        DeliveryId(self.0 | (u128::from(position) << 16))
    }

    /// Returns the first and last id a delivery of this message can have.
    pub fn delivery_range(self) -> (DeliveryId, DeliveryId) {
        (self.delivery(0), self.delivery(u16::MAX))
    }

    /// Returns the first and last id an attempt of this message can have.
    pub fn attempt_range(self) -> (AttemptId, AttemptId) {
        (AttemptId(self.0), AttemptId(self.0 | FAMILY_BITS))
    }
}

impl DeliveryId {
    /// Returns the message this delivery belongs to.
    pub fn message(self) -> MessageId {
        MessageId(self.0 & !FAMILY_BITS)
    }

    /// Returns the position in the message, counted from 1.
    pub fn position(self) -> u16 {
        ((self.0 >> 16) & 0xFFFF) as u16
    }

    /// Returns the id of the attempt with `number`, counted from 1.
    pub fn attempt(self, number: u16) -> AttemptId {
        AttemptId(self.0 | u128::from(number))
    }
}

impl AttemptId {
    /// Returns the delivery this attempt belongs to.
    pub fn delivery(self) -> DeliveryId {
        DeliveryId(self.0 & !0xFFFF)
    }

    /// Returns the number of the attempt, counted from 1.
    pub fn number(self) -> u16 {
        (self.0 & 0xFFFF) as u16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> MessageId {
        MessageId::from_uuid(Uuid::from_u128(0x0192_f5e1_7a31_7c9d_8e1f_aabb_ccdd_eeff))
    }

    #[test]
    fn an_id_prints_with_its_prefix_and_parses_back() {
        let text = message().to_string();
        assert_eq!((&text[..4], text.len()), ("msg_", 30));
        assert_eq!(text.parse(), Ok(message()));
        assert_eq!(message().delivery(3).to_string().parse(), Ok(message().delivery(3)));
    }

    #[test]
    fn an_id_begins_with_its_time() {
        let at = Timestamp::from_millis(0x0192_f5e1_7a31);
        assert!(
            MessageId::first_at(at) < message()
                && message() < MessageId::first_at(at + std::time::Duration::from_millis(1))
        );
        assert_eq!(MessageId::from_bytes(message().to_bytes()), message());
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in ["", "msg_", "dlv_01J", "msg_ZZZZZZZZZZZZZZZZZZZZZZZZZZ", "msg_01JÄ5Y2YHH2P3Q4R5S6T7V8W9X"] {
            assert!(text.parse::<MessageId>().is_err(), "{text}");
        }
        assert!(message().to_string().parse::<DeliveryId>().is_err());
    }

    #[test]
    fn a_family_finds_its_own() {
        let delivery = message().delivery(7);
        let attempt = delivery.attempt(2);
        assert_eq!((delivery.message(), delivery.position()), (message(), 7));
        assert_eq!((attempt.delivery(), attempt.number()), (delivery, 2));
        let (first, last) = message().delivery_range();
        assert!(first < delivery && delivery < last);
    }

    #[test]
    fn ids_of_one_message_are_still_uuid_version_7() {
        assert_eq!(Uuid::from_u128(message().delivery(9).attempt(9).0).get_version_num(), 7);
    }
}
