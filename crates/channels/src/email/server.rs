//! A mail server: where it is, how it is spoken to, as whom.

use std::path::PathBuf;
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::PoolConfig;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, Tokio1Executor};
use url::{Host, Url};
use wecom::Secret;

/// A mail server.
#[derive(Clone, Debug)]
pub struct MailServer {
    /// `smtp://user:password@host:587` (STARTTLS) or `smtps://user:password@host:465` (TLS from the first byte); without
    /// TLS, `?tls=none`, only on this machine.
    pub url: Secret,
    /// Whom mails come from: `hongyan@example.com` or `鸿雁 <hongyan@example.com>`.
    pub from: String,
    /// Certificates that are trusted besides the machine's, in PEM.
    pub ca_file: Option<PathBuf>,
}

/// A mail server cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailServerError {
    /// The URL is none.
    #[error("the URL is not one such as smtp://user:password@mail.example.com:587 or smtps://…:465")]
    Url,
    /// Without TLS, and not on this machine.
    #[error("tls=none sends passwords in the clear; it is taken for this machine only")]
    Plain,
    /// The sender is no mailbox.
    #[error("`{0}` is not a sender such as hongyan@example.com or 鸿雁 <hongyan@example.com>")]
    From(String),
    /// The certificates cannot be read.
    #[error("the certificates in {path} cannot be read")]
    Certificates {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl MailServer {
    pub(super) fn from(&self) -> Result<Mailbox, MailServerError> {
        self.from.parse().map_err(|_| MailServerError::From(self.from.clone()))
    }

    pub(super) fn connect(
        &self,
        connections: usize,
        patience: Duration,
    ) -> Result<AsyncSmtpTransport<Tokio1Executor>, MailServerError> {
        let url = Url::parse(self.url.expose().trim()).map_err(|_| MailServerError::Url)?;
        let host = url.host().ok_or(MailServerError::Url)?;
        let from_the_start = match url.scheme() {
            "smtp" => false,
            "smtps" => true,
            _ => return Err(MailServerError::Url),
        };
        let name = match &host {
            Host::Domain(name) => (*name).to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let without = url.query_pairs().any(|(key, value)| key == "tls" && value == "none");
        if without && !is_this_machine(&name) {
            return Err(MailServerError::Plain);
        }
        let tls = match (without, from_the_start) {
            (true, _) => Tls::None,
            (false, true) => Tls::Wrapper(self.tls(&name)?),
            (false, false) => Tls::Required(self.tls(&name)?),
        };
        let pool = PoolConfig::new().max_size(u32::try_from(connections).unwrap_or(u32::MAX));
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(name)
            .port(url.port().unwrap_or(if from_the_start { 465 } else { 587 }))
            .tls(tls)
            .timeout(Some(patience))
            .pool_config(pool);
        if !url.username().is_empty() {
            let plain = |text: &str| {
                let decoded = percent_decode(text);
                String::from_utf8(decoded).map_err(|_| MailServerError::Url)
            };
            let password = url.password().unwrap_or_default();
            builder = builder.credentials(Credentials::new(plain(url.username())?, plain(password)?));
        }
        Ok(builder.build())
    }

    fn tls(&self, name: &str) -> Result<TlsParameters, MailServerError> {
        let mut builder = TlsParameters::builder(name.to_owned());
        if let Some(path) = &self.ca_file {
            let failed = |source| MailServerError::Certificates { path: path.clone(), source };
            let pem = std::fs::read(path).map_err(|error| failed(error.into()))?;
            let certificate = Certificate::from_pem(&pem).map_err(|error| failed(error.into()))?;
            builder = builder.add_root_certificate(certificate);
        }
        builder.build_rustls().map_err(|error| MailServerError::Tls(error.into()))
    }
}

fn is_this_machine(name: &str) -> bool {
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// `%40` of a URL's user or password is `@`.
fn percent_decode(text: &str) -> Vec<u8> {
    url::form_urlencoded::parse(format!("x={}", text.replace('+', "%2B")).as_bytes())
        .next()
        .map(|(_, value)| value.into_owned().into_bytes())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(url: &str) -> MailServer {
        MailServer { url: url.into(), from: "鸿雁 <hongyan@example.com>".to_owned(), ca_file: None }
    }

    #[tokio::test]
    async fn a_server_is_read_from_its_url() {
        for url in
            ["smtp://u:p%40ss@mail.example.com", "smtps://mail.example.com:465", "smtp://127.0.0.1:2525?tls=none"]
        {
            assert!(server(url).connect(2, Duration::from_secs(1)).is_ok(), "{url}");
        }
        let refused = |url: &str| server(url).connect(2, Duration::from_secs(1)).unwrap_err();
        assert!(matches!(refused("mail.example.com"), MailServerError::Url));
        assert!(matches!(refused("http://mail.example.com"), MailServerError::Url));
        assert!(matches!(refused("smtp://mail.example.com?tls=none"), MailServerError::Plain));
        assert_eq!(percent_decode("p%40s+s"), b"p@s+s");
    }
}
