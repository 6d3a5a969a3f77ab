//! Keeps what TLS needs besides sessions: the certificate, and the time that a handshake may last.
//! Knows nothing of what is said on a connection.
//!
//! TLS 1.3 and nothing older, with HTTP/1.1 as its only protocol (ALPN). A session may be resumed
//! by a ticket, of which the server keeps nothing.
//!
//! The files are read at the start, and again when somebody asks for it (SIGHUP): new connections
//! then get the new certificate. If that cannot be used, the old one stays, and the log says why.

use std::collections::VecDeque;
use std::fmt::Display;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mio::Interest;
use mio::net::{TcpStream, UnixStream};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;

use super::session::Session;
use super::wire::Wire;
use super::{EventLoop, RELOADS};
use crate::comet::ConnectionId;
use crate::config::Config;
use crate::pool::Part;
use crate::server::Handler;
use crate::system::{Mono, Now};

/// What makes a session of a connection.
#[derive(Debug)]
pub(super) struct Tls {
    files: Files,
    config: Arc<ServerConfig>,
    /// Connections in their handshake, and until when it may last; the oldest first. Some are done,
    /// or gone.
    shaking: VecDeque<(Mono, ConnectionId)>,
    /// A byte comes here when the files are to be read again.
    reloads: Option<UnixStream>,
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

impl Tls {
    /// As configured, if it is configured at all.
    pub(super) fn of(config: &Config) -> io::Result<Option<Self>> {
        let files = match (&config.tls_certificate, &config.tls_key) {
            (None, None) => return Ok(None),
            (Some(certificate), Some(key)) => {
                Files { certificate: certificate.0.clone(), key: key.0.clone() }
            }
            _ => return Err(io::Error::other("--tls-certificate and --tls-key go together")),
        };
        let config = files.load()?;
        Ok(Some(Self { files, config, shaking: VecDeque::new(), reloads: None }))
    }

    /// When the first of the handshakes has had its time.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.shaking.front().map(|&(until, _)| until)
    }

    fn reload(&mut self) {
        match self.files.load() {
            Ok(config) => {
                self.config = config;
                log::info!("{} is in use from now on", self.files.certificate.display());
            }
            Err(error) => log::error!("the old certificate stays in use: {error}"),
        }
    }
}

impl Files {
    fn load(&self) -> io::Result<Arc<ServerConfig>> {
        let unusable = |file: &Path, why: &dyn Display| {
            io::Error::other(format!("{} cannot be used: {why}", file.display()))
        };
        let of_certificate = |why| unusable(&self.certificate, &why);
        let chain = CertificateDer::pem_file_iter(&self.certificate).map_err(of_certificate)?;
        let chain: Vec<_> = chain.collect::<Result<_, _>>().map_err(of_certificate)?;
        let key =
            PrivateKeyDer::from_pem_file(&self.key).map_err(|why| unusable(&self.key, &why))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(&[&TLS13]).map_err(io::Error::other)?;
        let builder = builder.with_no_client_auth().with_single_cert(chain, key);
        let mut config = builder.map_err(|why| unusable(&self.certificate, &why))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.ticketer = ring::Ticketer::new().map_err(io::Error::other)?;
        Ok(Arc::new(config))
    }
}

impl<H: Handler> EventLoop<H> {
    /// Reads certificate and key again whenever a byte comes.
    pub fn reload_at(&mut self, reloads: std::os::unix::net::UnixStream) -> io::Result<()> {
        let mut reloads = UnixStream::from_std(reloads);
        self.selector.registry().register(&mut reloads, RELOADS, Interest::READABLE)?;
        if let Some(tls) = &mut self.tls {
            tls.reloads = Some(reloads);
        }
        Ok(())
    }

    pub(super) fn reload(&mut self) {
        let Some(tls) = &mut self.tls else { return };
        if let Some(reloads) = &mut tls.reloads {
            while matches!(reloads.read(&mut [0; 16]), Ok(1..)) {}
        }
        tls.reload();
    }

    /// Wraps a new connection. The operator's is never encrypted: it does not leave the machine.
    pub(super) fn wire(
        &mut self,
        now: Now,
        id: ConnectionId,
        stream: TcpStream,
        is_public: bool,
    ) -> Wire {
        let Some(tls) = self.tls.as_mut().filter(|_| is_public) else { return Wire::new(stream) };
        // invariant: what was loaded makes sessions.
        let until = now.mono.plus(self.config.head_time_max);
        let part = Part::new(self.server.pool());
        let session = Session::new(Arc::clone(&tls.config), until, part).expect("a session");
        tls.shaking.push_back((until, id));
        Wire::secured(stream, session)
    }

    /// A handshake that has just ended may have an answer waiting: the connection was one too many.
    pub(super) fn flush_opened(&mut self, now: Now, id: ConnectionId, was_shaking: bool) {
        if was_shaking && self.shaking_until(id).is_none() {
            self.flush(now, id);
        }
    }

    pub(super) fn shaking_until(&self, id: ConnectionId) -> Option<Mono> {
        self.sockets.get(id.0)?.wire.shaking_until()
    }

    /// Closes the connections whose handshakes last too long. Nothing has been asked for on them
    /// yet.
    pub(super) fn give_up_handshakes(&mut self, now: Now) {
        while let Some(&(until, id)) = self.tls.as_ref().and_then(|tls| tls.shaking.front()) {
            // Its number may belong by now to another, which began later.
            let goes_on = self.shaking_until(id) == Some(until);
            if goes_on && now.mono < until {
                return;
            }
            self.tls.as_mut().map(|tls| tls.shaking.pop_front());
            if goes_on {
                log::debug!("a handshake took too long");
                self.gone(now, id);
            }
        }
    }
}
