//! Whom WeCom can be asked for: a mobile number or a mail address.

use std::fmt;

use super::normal_mobile;

/// The shortest and the longest mobile number that WeCom takes, in bytes (path/95402).
const MOBILE_BYTES: std::ops::RangeInclusive<usize> = 5..=32;
/// The longest mail address, in bytes (RFC 5321).
const MAX_EMAIL_BYTES: usize = 254;

/// Whom WeCom can be asked for. Printed as `mobile:13800138000`, always the same way for the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// By mobile number.
    Mobile(String),
    /// By mail address.
    Email(String),
}

impl Wanted {
    /// Reads an entry such as `mobile:+86 138 0013 8000`; `None` if WeCom knows no such thing.
    pub fn of(entry: &str) -> Option<Self> {
        let (kind, value) = entry.trim().split_once(':')?;
        match kind.trim() {
            "mobile" => {
                let mobile = normal_mobile(value);
                let digits = mobile.strip_prefix('+').unwrap_or(&mobile);
                let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
                (plain && MOBILE_BYTES.contains(&mobile.len())).then_some(Self::Mobile(mobile))
            }
            "email" => {
                let email = value.trim().to_ascii_lowercase();
                let plain = !email.chars().any(|c| c.is_whitespace() || c.is_control() || ",;|<>".contains(c));
                let parts = email.rsplit_once('@').is_some_and(|(local, host)| !local.is_empty() && host.contains('.'));
                (plain && parts && email.len() <= MAX_EMAIL_BYTES).then_some(Self::Email(email))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mobile(mobile) => write!(f, "mobile:{mobile}"),
            Self::Email(email) => write!(f, "email:{email}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_printed_the_same_way() {
        for (entry, expected) in [
            ("mobile:+86 138-0013-8000", Some("mobile:13800138000")),
            ("mobile:+85261234567", Some("mobile:+85261234567")),
            (" email: Li@Example.com", Some("email:li@example.com")),
            ("mobile:1234", None),
            ("mobile:call me", None),
            ("email:li", None),
            ("email:li@example.com,b@c.d", None),
            ("emp:1001", None),
        ] {
            let wanted = Wanted::of(entry).map(|wanted| wanted.to_string());
            assert_eq!(wanted.as_deref(), expected, "{entry}");
            if let Some(wanted) = wanted {
                assert_eq!(Wanted::of(&wanted).map(|wanted| wanted.to_string()), Some(wanted));
            }
        }
    }
}
